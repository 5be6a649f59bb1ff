#pragma once
// The notifier's writes to the store.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/runtime/entropy.hpp"
#include "daemon/runtime/settings.hpp"
#include "store/store.hpp"

namespace certline::notices {

// Called on the writer thread.
using Committed = std::function<void(store::CommitOutcome)>;
using JobPtr = std::unique_ptr<store::WriteJob>;

// What the jobs need besides the store.
struct NoticeContext {
  runtime::SettingsPtr settings;
  runtime::Entropy entropy;
  UtcTime now = 0;
};

// Clears the alarm and does what it is there for; not for AlarmKind::deliver.
JobPtr alarm_job(NoticeContext context, Alarm alarm, Committed done);

// Clears alarms of kind deliver that were heard.
JobPtr heard_job(std::vector<Alarm> alarms, Committed done);

// An attempt to deliver has ended.
struct Attempt {
  std::uint64_t id = 0;
  bool delivered = false;  // then it is removed
  bool dead = false;
  UtcTime next_utc = 0;
  std::string error;
};
JobPtr attempt_job(Attempt attempt, Committed done);

// Digests that no alarm announces, such as those that the configuration asks for, of accounts after
// `after`; and dead letters that nobody will look at any more.
JobPtr sweep_job(NoticeContext context, std::shared_ptr<AccountId> after, Committed done);
inline constexpr UtcTime kDeadLetterLifetime = 30 * 86'400;

JobPtr stall_job(NoticeContext context, bool stalled, Committed done);

}  // namespace certline::notices
