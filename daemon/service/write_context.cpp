// What writing handlers share: random values that stay the same when a job runs again, the audit,
// and the room for new names. The handlers are in names.cpp, claims.cpp, tokens.cpp and
// administration_writes.cpp; request_job.cpp runs them.
#include "daemon/service/write_context.hpp"

#include <algorithm>
#include <stdexcept>
#include <type_traits>

#include "pki/digest.hpp"
#include "store/room.hpp"

namespace certline::service {
namespace {

using store::CommitOutcome;
using store::WriteView;

}  // namespace

Sha256 JobRandom::next() {
  if (seed_.empty()) {
    seed_.resize(32);
    entropy_.fill(reinterpret_cast<std::uint8_t*>(seed_.data()), seed_.size());
  }
  return pki::hmac_sha256(seed_, std::to_string(++count_));
}

Uuid JobRandom::uuid() {
  Uuid uuid{};
  const Sha256 bytes = next();
  std::copy_n(bytes.begin(), uuid.size(), uuid.begin());
  return runtime::as_uuid(uuid, 4);
}

void audit(WriteContext& context, std::string_view action, AccountId account, std::string subject) {
  context.view.audit.append({context.now, context.actor, context.caller.source, std::string(action),
                             account, std::move(subject), ""});
}

Error refused(WriteContext& context, std::string_view action, AccountId account,
              std::string subject, Error why) {
  if (const auto left_out = context.refusal_row.take(context.now)) {
    std::string detail = why.detail;
    if (*left_out > 0) detail += "; " + std::to_string(*left_out) + " more were left out before";
    context.view.audit.append({context.now, context.actor, context.caller.source,
                               std::string(action), account, std::move(subject),
                               std::move(detail)});
  }
  return why;
}

bool full_for_new_names(const WriteContext& context) {
  if (store::has_room_for_names(context.view)) return false;
  const auto used = static_cast<std::int64_t>(context.parts.store.used_fraction() * 100);
  context.parts.log.write_limited(runtime::LogLevel::warning, "store_full",
                                  {{"used_percent", used}, {"do", "raise store.map_size"}});
  return true;
}

Error store_full(const WriteContext& context) {
  return context.parts.commit_error(CommitOutcome::full);
}

}  // namespace certline::service
