#pragma once
// Takes a Request, whichever wire it came by, to its handler (handlers.hpp), and its Reply back.

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "daemon/runtime/parts.hpp"
#include "daemon/runtime/settings.hpp"
#include "daemon/service/caller.hpp"
#include "daemon/service/client_reports.hpp"
#include "daemon/service/refusal_rows.hpp"
#include "daemon/service/remembered_expirations.hpp"
#include "protocol/request.hpp"

namespace certline::service {

// Thread-safe.
class Service {
 public:
  struct Answered {
    Reply reply;
    // Set where `wait` is not satisfied yet: ask again when this endpoint was scanned.
    std::optional<EndpointId> wait_for = {};
    // Of an answer about a name's certificate: what it rests on, so that its text can be kept.
    std::optional<RecentAnswers::Basis> basis = {};
  };
  // Called once. Of a read on the asking thread, before ask() returns; of a write on the store's
  // writer thread, after the commit: hand over to your own at once.
  using Answer = std::function<void(Answered)>;

  // `remembered_answers`: at most so many (remembered_expirations.hpp); 0 remembers none.
  explicit Service(const runtime::Parts& parts, std::size_t remembered_answers = 0);

  // `received_utc` is when the request arrived (for `wait`). A write is appended to `writes`, which
  // the caller submits to the store: several made in one turn are committed together.
  void ask(const Request& request, const Caller& caller, const runtime::SettingsPtr& settings,
           UtcTime received_utc, store::Store::Jobs& writes, Answer answer) const;

  const RememberedExpirations& remembered() const { return remembered_; }
  const runtime::Parts& parts() const { return parts_; }

 private:
  template <class R>
  Answered read(const R& request, const runtime::Settings& settings, UtcTime received_utc) const;

  const runtime::Parts& parts_;
  const UtcTime started_utc_;
  const RememberedExpirations remembered_;
  const ClientReports reports_;
  mutable RefusalRows refusal_rows_;  // the writer thread's
};

}  // namespace certline::service
