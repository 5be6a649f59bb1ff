#pragma once
// What every writing handler is given besides its request. A handler runs inside the write
// transaction, on the writer thread, perhaps several times: it decides from the view and its
// arguments alone. A handler that returns an error must have written nothing, because the
// transaction is committed all the same.

#include <string>
#include <string_view>

#include "daemon/runtime/parts.hpp"
#include "daemon/runtime/settings.hpp"
#include "daemon/service/caller.hpp"
#include "daemon/service/refusal_rows.hpp"
#include "protocol/request.hpp"

namespace certline::service {

// Random values of one job, the same whenever it is applied again.
class JobRandom {
 public:
  explicit JobRandom(const runtime::Entropy& entropy) : entropy_(entropy) {}
  void rewind() { count_ = 0; }
  Sha256 next();
  Uuid uuid();

 private:
  const runtime::Entropy& entropy_;
  std::string seed_;
  std::uint64_t count_ = 0;
};

// What every handler gets besides its request.
struct WriteContext {
  store::WriteView& view;
  const runtime::Parts& parts;
  const runtime::Settings& settings;
  const Caller& caller;
  UtcTime now;
  JobRandom& random;
  RefusalRow& refusal_row;
  std::string actor;  // for the audit
  bool due_changed = false;
};

// The audit. A refusal is written as far as the hour's rows reach.
void audit(WriteContext& context, std::string_view action, AccountId account, std::string subject);
Error refused(WriteContext& context, std::string_view action, AccountId account,
              std::string subject, Error why);

bool full_for_new_names(const WriteContext& context);
Error store_full(const WriteContext& context);

}  // namespace certline::service
