#pragma once
// What `command expiration` said lately, as long as it still holds: such a question is answered
// without a look into the store. answer_cache.hpp keeps the figures, the store's change stamps
// (store/change_counters.hpp) tell whether they hold. Thread-safe.

#include <optional>
#include <string_view>

#include "daemon/runtime/parts.hpp"
#include "daemon/runtime/settings.hpp"
#include "daemon/service/answer_cache.hpp"
#include "daemon/service/recent_answers.hpp"
#include "protocol/request.hpp"

namespace certline::service {

class RememberedExpirations {
 public:
  // At most so many; 0 remembers none.
  RememberedExpirations(const runtime::Parts& parts, std::size_t most)
      : parts_(parts), answers_(most) {}

  // A report and what it rests on. Belongs to the calling thread, until its next call.
  struct Recalled {
    std::optional<Error> refused;  // instead of a report
    ExpirationReport report;
    RecentAnswers::Basis basis;
  };
  // What `command expiration domain D apikey K` says; null if it isn't known any more.
  const Recalled* recall(std::string_view domain, std::string_view key,
                         const runtime::Settings& settings) const;

  // `report` answers `request`, which has no `ip`, by the name's watch and `endpoint` alone.
  void keep(const GetExpiration& request, const ExpirationReport& report,
            const EndpointRecord& endpoint, const store::Stamp& stamp,
            const runtime::Settings& settings) const;
  // The name is not watched with this key; `stamp` is that of the watch that is not there.
  void keep_unknown(const GetExpiration& request, const store::Stamp& stamp,
                    const runtime::Settings& settings) const;

 private:
  const runtime::Parts& parts_;
  mutable AnswerCache answers_;
};

// What an answer given at `now` rests on, if its dates say the same until `dates_hold`.
RecentAnswers::Basis basis_of(const store::Stamp& stamp, std::uint32_t rules, UtcTime now,
                              UtcTime dates_hold);

}  // namespace certline::service
