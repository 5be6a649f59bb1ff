// One epoll set, level-triggered, so nothing that was left unread is forgotten. Each turn takes
// what is ready, then the work that others posted, then the timers that are due.
#include "daemon/server/event_loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace certline::server {
namespace {

constexpr int kEventsPerTurn = 128;
constexpr EventLoop::Id kWakeId = ~EventLoop::Id{0};
constexpr std::chrono::milliseconds kLongestWait{60'000};

int checked(int descriptor, const char* what) {
  if (descriptor < 0) throw std::system_error(errno, std::system_category(), what);
  return descriptor;
}

epoll_event event_for(EventLoop::Id id, Readiness wanted) {
  epoll_event event{};
  event.events = (wanted.read ? EPOLLIN : 0u) | (wanted.write ? EPOLLOUT : 0u);
  event.data.u64 = id;
  return event;
}

}  // namespace

EventLoop::EventLoop() : poll_(checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {
  wake_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_ < 0 || !watch(wake_, kWakeId, {true})) {
    const int reason = errno;
    if (wake_ >= 0) ::close(wake_);
    ::close(poll_);
    throw std::system_error(reason, std::system_category(), "eventfd");
  }
}

EventLoop::~EventLoop() {
  ::close(wake_);
  ::close(poll_);
}

void EventLoop::run(Listener& listener) {
  thread_.store(std::this_thread::get_id());
  std::array<epoll_event, kEventsPerTurn> events;
  while (!stopping_.load()) {
    const int count = ::epoll_wait(poll_, events.data(), kEventsPerTurn, wait_ms());
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.u64 == kWakeId) {
        eventfd_t ignored = 0;
        ::eventfd_read(wake_, &ignored);
        continue;
      }
      listener.on_ready(event.data.u64,
                        {(event.events & EPOLLIN) != 0, (event.events & EPOLLOUT) != 0,
                         (event.events & (EPOLLERR | EPOLLHUP)) != 0});
    }
    run_work();
    run_timers(listener);
    listener.on_turn_end();
  }
}

void EventLoop::stop() {
  stopping_.store(true);
  wake();
}

void EventLoop::post(std::function<void()> work) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = work_.empty();
    work_.push_back(std::move(work));
  }
  if (first && std::this_thread::get_id() != thread_.load()) wake();
}

void EventLoop::queue(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  work_.push_back(std::move(work));
}

void EventLoop::wake_for_work() {
  {
    const std::lock_guard lock(mutex_);
    if (work_.empty()) return;
  }
  wake();
}

void EventLoop::wake() const {
  ::eventfd_write(wake_, 1);
}

bool EventLoop::watch(int descriptor, Id id, Readiness wanted) {
  epoll_event event = event_for(id, wanted);
  if (::epoll_ctl(poll_, EPOLL_CTL_ADD, descriptor, &event) == 0) return true;
  return errno == EEXIST && ::epoll_ctl(poll_, EPOLL_CTL_MOD, descriptor, &event) == 0;
}

void EventLoop::rewatch(int descriptor, Id id, Readiness wanted) {
  epoll_event event = event_for(id, wanted);
  ::epoll_ctl(poll_, EPOLL_CTL_MOD, descriptor, &event);
}

void EventLoop::set_timer(Id id, Clock::time_point before, Clock::time_point due) {
  if (before != kNever) timers_.erase({before, id});
  if (due != kNever) timers_.emplace(due, id);
}

// Rounded up: a timer is never early.
int EventLoop::wait_ms() {
  {
    const std::lock_guard lock(mutex_);
    if (!work_.empty()) return 0;
  }
  if (timers_.empty()) return -1;
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(timers_.begin()->first - Clock::now());
  return static_cast<int>(std::clamp(left, std::chrono::milliseconds(0), kLongestWait).count());
}

void EventLoop::run_work() {
  std::vector<std::function<void()>> work;
  {
    const std::lock_guard lock(mutex_);
    work.swap(work_);
  }
  for (auto& each : work) {
    if (stopping_.load()) return;
    each();
  }
}

void EventLoop::run_timers(Listener& listener) {
  if (timers_.empty()) return;
  // Taken out first: one that is set again at once waits for the next turn.
  const auto end = timers_.upper_bound({Clock::now(), ~Id{0}});
  std::vector<std::pair<Clock::time_point, Id>> due(timers_.begin(), end);
  timers_.erase(timers_.begin(), end);
  for (const auto& [when, id] : due) listener.on_timer(id);
}

}  // namespace certline::server
