// Each change is a job of its own. So a damaged record spoils one alarm and not all that are due
// with it. The store commits them together anyway. Next: incidents.cpp.
#include "daemon/notices/notice_jobs.hpp"

#include <algorithm>

#include "daemon/notices/incidents.hpp"

namespace certline::notices {
namespace {

using store::WriteView;

constexpr std::size_t kAccountsPerSweep = 500;
constexpr std::size_t kErrorBytes = 1000;

void act(WriteView& view, const NoticeContext& context, const Alarm& alarm) {
  const runtime::Config& config = context.settings->config;
  switch (alarm.kind) {
    case AlarmKind::tell:
      gather(view, config, context.entropy, number_of(alarm), context.now);
      return;
    case AlarmKind::silence:
      check_silence(view, config, alarm, context.now);
      return;
    case AlarmKind::digest:
      tell_digest(view, config, context.entropy, number_of(alarm), context.now);
      return;
    case AlarmKind::forget_token: {
      KeyTag half{};
      if (alarm.about.size() != half.size()) return;
      std::copy(alarm.about.begin(), alarm.about.end(), half.begin());
      view.tokens.remove(half);
      return;
    }
    case AlarmKind::deliver:
      return;
  }
}

UtcTime digest_period(Digest digest) {
  return digest == Digest::weekly ? 7 * 86'400 : 86'400;
}

void sweep_accounts(WriteView& view, const NoticeContext& context, AccountId& after) {
  const auto accounts = view.accounts.all(after).first(kAccountsPerSweep);
  for (const AccountRecord& account : accounts) {
    const Digest digest = account.digest.value_or(context.settings->config.notify.digest);
    if (digest == Digest::off) continue;
    if (account.digest_utc + digest_period(digest) > context.now) continue;
    view.alarms.set({context.now, AlarmKind::digest, alarm_about(account.id)});
  }
  after = accounts.size() < kAccountsPerSweep ? 0 : accounts.back().id;
}

void sweep_dead_letters(WriteView& view, UtcTime now) {
  for (const DeliveryRecord& delivery : view.deliveries.all()) {
    if (delivery.dead && delivery.created_utc + kDeadLetterLifetime <= now) {
      view.deliveries.remove(delivery.id);
    }
  }
}

}  // namespace

JobPtr alarm_job(NoticeContext context, Alarm alarm, Committed done) {
  auto apply = [context = std::move(context), alarm = std::move(alarm)](WriteView& view) {
    view.alarms.clear(alarm);
    act(view, context, alarm);
  };
  return store::make_job(std::move(apply), std::move(done));
}

JobPtr heard_job(std::vector<Alarm> alarms, Committed done) {
  auto apply = [alarms = std::move(alarms)](WriteView& view) {
    for (const Alarm& alarm : alarms) view.alarms.clear(alarm);
  };
  return store::make_job(std::move(apply), std::move(done));
}

JobPtr attempt_job(Attempt attempt, Committed done) {
  auto apply = [attempt = std::move(attempt)](WriteView& view) {
    auto record = view.deliveries.find(attempt.id);
    if (!record) return;
    // It may not be heard yet.
    view.alarms.clear({record->next_utc, AlarmKind::deliver, alarm_about(attempt.id)});
    if (attempt.delivered) return view.deliveries.remove(attempt.id);
    if (record->attempts < UINT16_MAX) ++record->attempts;
    record->dead = attempt.dead;
    record->next_utc = attempt.next_utc;
    record->last_error = attempt.error.substr(0, kErrorBytes);
    view.deliveries.put(*record);
  };
  return store::make_job(std::move(apply), std::move(done));
}

JobPtr sweep_job(NoticeContext context, std::shared_ptr<AccountId> after, Committed done) {
  const AccountId from = *after;
  auto apply = [context = std::move(context), from, after = std::move(after)](WriteView& view) {
    if (from == 0) sweep_dead_letters(view, context.now);
    *after = from;
    sweep_accounts(view, context, *after);
  };
  return store::make_job(std::move(apply), std::move(done));
}

JobPtr stall_job(NoticeContext context, bool stalled, Committed done) {
  auto apply = [context = std::move(context), stalled](WriteView& view) {
    tell_stalled(view, context.settings->config, stalled, context.now);
  };
  return store::make_job(std::move(apply), std::move(done));
}

}  // namespace certline::notices
