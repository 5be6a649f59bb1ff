// One thread makes all decisions, in turns: first results of channels and commits, then due alarms,
// then new work for each free channel. The store's alarms only announce deliveries. After that they
// wait in the queue, and a start finds them in the store again. Next: notice_jobs.cpp,
// delivery_queue.cpp, channels.cpp.
#include "daemon/notices/notifier.hpp"

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "daemon/notices/delivery_queue.hpp"
#include "daemon/notices/message_json.hpp"
#include "daemon/notices/notice_jobs.hpp"
#include "daemon/notices/task_thread.hpp"

namespace certline::notices {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::uint32_t kMailsPerMinute = 600, kOthersPerMinute = 120;
constexpr std::size_t kAlarmsPerTurn = 500;
constexpr UtcTime kUnsavedPause = 60;  // before a write that failed is tried again
constexpr UtcTime kCheckEvery = 60;
constexpr UtcTime kStalledAfter = 15 * 60;
constexpr UtcTime kSweepEvery = 86'400;
constexpr std::chrono::seconds kLongestNap{60};        // the clock may jump
constexpr std::chrono::milliseconds kShortestNap{50};  // however many commits there are
constexpr std::chrono::seconds kGrace{1};

}  // namespace

struct Notifier::Impl : std::enable_shared_from_this<Impl> {
  using Event = std::function<void()>;

  Impl(NotifierParts p, runtime::SettingsPtr s)
      : parts(std::move(p)), settings(std::move(s)), started_utc(parts.parts.now()) {}

  // Any thread.
  void post(Event event);
  void kick();
  Committed committed(std::function<void(store::CommitOutcome)> then);

  // The notifier's own thread, or run_due()'s.
  bool turn(UtcTime now);  // false: nothing is under way
  void run();
  std::chrono::milliseconds nap(UtcTime now) const;
  void take_events();
  void load(const store::ReadView& view);
  void hear_alarms(const store::ReadView& view);
  void start_alarm(const Alarm& alarm);
  void hand_over(const store::ReadView& view);
  void send(const std::string& channel, const DeliveryRecord& delivery, Message message);
  void ended(const std::string& channel, std::uint64_t id, const Handover& handover);
  void save(Attempt attempt, std::function<void()> then);
  void sweep(std::shared_ptr<AccountId> after);
  void check_scans(const store::ReadView& view);
  void submit(JobPtr job);
  void log_failed(std::string_view what, store::CommitOutcome outcome);
  runtime::Log& log() const { return parts.parts.log; }
  store::Store& store() const { return parts.parts.store; }
  NoticeContext context() const { return {current, parts.parts.entropy, now}; }

  const NotifierParts parts;
  std::atomic<bool> cancelled{false};
  std::atomic<bool> kicked{false};

  std::mutex mutex;  // of the next five
  std::condition_variable wake;
  runtime::SettingsPtr settings;
  std::deque<Event> events;
  bool ending = false;
  std::thread thread;

  const UtcTime started_utc;
  UtcTime now = 0;               // of this turn
  runtime::SettingsPtr current;  // likewise
  DeliveryQueue queue{kMailsPerMinute, kOthersPerMinute};
  bool loaded = false;
  bool stopped = false;   // then the store may be gone
  std::size_t jobs = 0;   // submitted and not heard of
  std::size_t sends = 0;  // of the channels, likewise
  std::set<Alarm> begun;
  std::set<std::uint64_t> settling;         // attempts that ended, and that isn't written yet
  std::map<Alarm, UtcTime> avoided;         // that could not be written, until then
  std::multimap<UtcTime, Attempt> unsaved;  // likewise
  std::map<std::string, std::unique_ptr<TaskThread>> channel_threads;
  UtcTime next_check = 0, next_sweep = 0;
  runtime::SettingsPtr swept;
  std::optional<bool> stalled;
};

void Notifier::Impl::post(Event event) {
  {
    const std::lock_guard lock(mutex);
    events.push_back(std::move(event));
  }
  wake.notify_one();
}

void Notifier::Impl::kick() {
  if (kicked.exchange(true)) return;
  { const std::lock_guard lock(mutex); }  // so that it isn't between looking and waiting
  wake.notify_one();
}

Committed Notifier::Impl::committed(std::function<void(store::CommitOutcome)> then) {
  return [weak = weak_from_this(), then = std::move(then)](store::CommitOutcome outcome) {
    const auto self = weak.lock();
    if (!self) return;
    self->post([raw = self.get(), then, outcome] {
      --raw->jobs;
      then(outcome);
    });
  };
}

void Notifier::Impl::submit(JobPtr job) {
  ++jobs;
  store().submit(std::move(job));
}

void Notifier::Impl::log_failed(std::string_view what, store::CommitOutcome outcome) {
  const Error error = parts.parts.commit_error(outcome);
  log().write_limited(runtime::LogLevel::error, "notice_not_saved",
                      {{"what", what}, {"why", error.detail}});
}

void Notifier::Impl::take_events() {
  std::deque<Event> heard;
  {
    const std::lock_guard lock(mutex);
    heard.swap(events);
    current = settings;
  }
  for (const Event& event : heard) event();
}

// After a start everything that waits is tried anew, the oldest first.
void Notifier::Impl::load(const store::ReadView& view) {
  for (const DeliveryRecord& delivery : view.deliveries.all()) {
    if (!delivery.dead) {
      queue.add(delivery.channel, delivery.id, delivery.created_utc, delivery.attempts);
    }
  }
  loaded = true;
}

void Notifier::Impl::hear_alarms(const store::ReadView& view) {
  std::erase_if(avoided, [this](const auto& entry) { return entry.second <= now; });
  std::vector<Alarm> deliveries;
  const std::size_t most = kAlarmsPerTurn + begun.size() + avoided.size();
  for (Alarm& alarm : view.alarms.until(now).first(most)) {
    if (begun.contains(alarm) || avoided.contains(alarm)) continue;
    if (alarm.kind != AlarmKind::deliver) {
      start_alarm(alarm);
      continue;
    }
    const auto delivery = view.deliveries.find(number_of(alarm));
    if (delivery && !delivery->dead && !settling.contains(delivery->id)) {
      queue.add(delivery->channel, delivery->id, delivery->created_utc, delivery->attempts);
    }
    deliveries.push_back(std::move(alarm));
  }
  if (deliveries.empty()) return;
  begun.insert(deliveries.begin(), deliveries.end());
  auto done = [this, deliveries](store::CommitOutcome outcome) {
    const bool saved = outcome == store::CommitOutcome::committed;
    if (!saved) log_failed("delivery", outcome);
    for (const Alarm& alarm : deliveries) {
      begun.erase(alarm);
      if (!saved) avoided[alarm] = now + kUnsavedPause;
    }
  };
  submit(heard_job(std::move(deliveries), committed(std::move(done))));
}

void Notifier::Impl::start_alarm(const Alarm& alarm) {
  begun.insert(alarm);
  auto done = [this, alarm](store::CommitOutcome outcome) {
    begun.erase(alarm);
    if (outcome == store::CommitOutcome::committed) return;
    avoided[alarm] = now + kUnsavedPause;
    log_failed("alarm", outcome);
  };
  submit(alarm_job(context(), alarm, committed(std::move(done))));
}

void Notifier::Impl::hand_over(const store::ReadView& view) {
  for (const auto& [channel, id] : queue.begin(now)) {
    const auto delivery = view.deliveries.find(id);
    if (!delivery || delivery->dead) {
      queue.vanished(id);
      continue;
    }
    auto message = parse_message(delivery->message);
    if (!message) {
      ended(channel, id, {HandoverOutcome::refused, message.error().detail});
      continue;
    }
    send(channel, *delivery, std::move(*message));
  }
}

void Notifier::Impl::send(const std::string& channel, const DeliveryRecord& delivery,
                          Message message) {
  auto& thread_of_channel = channel_threads[channel];
  if (!thread_of_channel) thread_of_channel = std::make_unique<TaskThread>();
  ++sends;
  thread_of_channel->give([this, channel, id = delivery.id, to = delivery.to, when = now,
                           config = current, message = std::move(message)] {
    Handover handover;
    try {
      handover = parts.hand_over(config->config, channel, to, message, when, cancelled);
    } catch (const std::exception& failure) {
      handover = {HandoverOutcome::put_back, failure.what()};
    }
    post([this, channel, id, handover = std::move(handover)] {
      --sends;
      ended(channel, id, handover);
    });
  });
}

void Notifier::Impl::ended(const std::string& channel, std::uint64_t id, const Handover& handover) {
  const DeliveryQueue::Next next = queue.ended(id, handover.outcome, now);
  if (handover.outcome == HandoverOutcome::stopped) return queue.release(channel);
  const bool delivered = handover.outcome == HandoverOutcome::delivered;
  if (!delivered) {
    log().write_limited(next.dead ? runtime::LogLevel::error : runtime::LogLevel::warning,
                        next.dead ? "not_delivered" : "delivery_put_back",
                        {{"channel", channel},
                         {"delivery", static_cast<std::int64_t>(id)},
                         {"why", handover.detail}});
  }
  for (const std::uint64_t late : next.late) save({late, false, true, 0, handover.detail}, {});
  save({id, delivered, next.dead, next.at, handover.detail},
       [this, channel] { queue.release(channel); });
}

// `then` is called whatever the outcome: a full store must not hold up a channel.
void Notifier::Impl::save(Attempt attempt, std::function<void()> then) {
  if (attempt.delivered || attempt.dead) settling.insert(attempt.id);
  auto done = [this, attempt, then = std::move(then)](store::CommitOutcome outcome) {
    if (then) then();
    if (outcome == store::CommitOutcome::committed) {
      settling.erase(attempt.id);
      return;
    }
    unsaved.emplace(now + kUnsavedPause, attempt);
    log_failed("attempt", outcome);
  };
  submit(attempt_job(attempt, committed(std::move(done))));
}

void Notifier::Impl::sweep(std::shared_ptr<AccountId> after) {
  auto done = [this, after](store::CommitOutcome outcome) {
    if (outcome != store::CommitOutcome::committed) {
      log_failed("sweep", outcome);
    } else if (*after != 0) {
      sweep(after);
    }
  };
  submit(sweep_job(context(), after, committed(std::move(done))));
}

// Something should have been scanned a quarter of an hour ago, and nothing was, since.
void Notifier::Impl::check_scans(const store::ReadView& view) {
  const UtcTime last = parts.parts.gauges.last_scan_utc;
  const bool stands_still = now - std::max(last, started_utc) > kStalledAfter &&
                            !view.endpoints.due({}, now - kStalledAfter).first(1).empty();
  if (stalled == stands_still) return;
  stalled = stands_still;
  auto done = [this](store::CommitOutcome outcome) {
    if (outcome == store::CommitOutcome::committed) return;
    stalled.reset();  // told by the next check
    log_failed("stall", outcome);
  };
  submit(stall_job(context(), stands_still, committed(std::move(done))));
}

bool Notifier::Impl::turn(UtcTime at) {
  now = at;
  take_events();
  try {
    const store::ReadView view = store().read();
    if (!loaded) load(view);
    while (!unsaved.empty() && unsaved.begin()->first <= now) {
      save(unsaved.extract(unsaved.begin()).mapped(), {});
    }
    hear_alarms(view);
    hand_over(view);
    if (now >= next_check) {
      next_check = now + kCheckEvery;
      check_scans(view);
    }
  } catch (const std::exception& failure) {
    log().write_limited(runtime::LogLevel::error, "notices_failed", {{"why", failure.what()}});
  }
  if (now >= next_sweep || swept != current) {
    next_sweep = now + kSweepEvery;
    swept = current;
    sweep(std::make_shared<AccountId>(0));
  }
  return jobs + sends > 0;
}

std::chrono::milliseconds Notifier::Impl::nap(UtcTime at) const {
  std::chrono::milliseconds longest = kLongestNap;
  const auto until = [&](UtcTime when) {
    if (when < at + kLongestNap.count()) {
      longest = std::min<std::chrono::milliseconds>(
          longest, std::chrono::seconds(std::max<UtcTime>(0, when - at)));
    }
  };
  if (const auto next = queue.next_time(at)) until(*next);
  for (const auto& [alarm, when] : avoided) until(when);
  if (!unsaved.empty()) until(unsaved.begin()->first);
  until(next_check);
  // Of the alarms under way the commit tells.
  const auto alarms = store()
                          .read()
                          .alarms.until(at + kLongestNap.count())
                          .first(1 + begun.size() + avoided.size());
  for (const Alarm& alarm : alarms) {
    if (!begun.contains(alarm) && !avoided.contains(alarm)) until(alarm.at_utc);
  }
  return std::max(longest, kShortestNap);
}

void Notifier::Impl::run() {
  std::unique_lock lock(mutex);
  while (!ending) {
    lock.unlock();
    turn(parts.parts.now());
    std::chrono::milliseconds pause = kLongestNap;
    try {
      pause = nap(parts.parts.now());
    } catch (const std::exception&) {  // no read transaction; the next turn says so
      pause = std::chrono::seconds(1);
    }
    lock.lock();
    // A pause between two turns, so that a storm of commits is not one of turns.
    wake.wait_for(lock, kShortestNap, [this] { return ending; });
    wake.wait_for(lock, pause - kShortestNap,
                  [this] { return ending || !events.empty() || kicked.exchange(false); });
  }
}

Notifier::Notifier(NotifierParts parts, runtime::SettingsPtr settings)
    : impl_(std::make_shared<Impl>(std::move(parts), std::move(settings))) {}

Notifier::~Notifier() {
  stop();
}

void Notifier::start() {
  store::Store& store = impl_->store();
  store.after_each_commit([weak = std::weak_ptr(impl_)] {
    if (const auto self = weak.lock()) self->kick();
  });
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

void Notifier::stop() {
  if (impl_->stopped) return;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->ending = true;
  }
  impl_->wake.notify_one();
  if (impl_->thread.joinable()) impl_->thread.join();
  const auto give_up = Steady::now() + kGrace;
  std::unique_lock lock(impl_->mutex);
  // Each send ends with an event, so that what was delivered is not sent again after the next
  // start.
  while (impl_->sends > 0 && Steady::now() < give_up) {
    impl_->wake.wait_until(lock, give_up, [this] { return !impl_->events.empty(); });
    lock.unlock();
    impl_->take_events();
    lock.lock();
  }
  lock.unlock();
  impl_->cancelled = true;
  impl_->channel_threads.clear();
  impl_->take_events();
  impl_->stopped = true;
}

void Notifier::kick() {
  impl_->kick();
}

void Notifier::reload(runtime::SettingsPtr settings) {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->settings = std::move(settings);
  }
  impl_->post([] {});  // wakes
}

void Notifier::run_due(UtcTime now) {
  while (impl_->turn(now)) {
    std::unique_lock lock(impl_->mutex);
    impl_->wake.wait(lock, [this] { return !impl_->events.empty(); });
  }
}

}  // namespace certline::notices
