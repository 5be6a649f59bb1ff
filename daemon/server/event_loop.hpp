#pragma once
// The loop of a server thread: sockets that are registered once, one timer for each, and work from
// other threads. Asio's reactor arms a wait anew for each request, which is a system call more than
// answering takes; the rest of the program uses Asio.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace certline::server {

// What is waited for, or what came: reading, writing, or an error (told always, waited for never).
struct Readiness {
  bool read = false, write = false, error = false;
  bool operator==(const Readiness&) const = default;
};

class EventLoop {
 public:
  using Clock = std::chrono::steady_clock;
  using Id = std::uint64_t;  // the caller's name for a descriptor and its timer
  static constexpr Clock::time_point kNever = Clock::time_point::max();

  // Hears of events on the thread of run(); may watch, close and set timers then. An event of a
  // descriptor that was closed in the same turn may still be told: look its id up.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void on_ready(Id id, Readiness what) = 0;
    virtual void on_timer(Id id) = 0;
    virtual void on_turn_end() {}  // after what was ready, posted and due at one time
  };

  EventLoop();  // throws std::system_error where the system has no descriptor left
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void run(Listener& listener);  // until stop()

  // Thread-safe. Work is run in order, and not at all after stop().
  void stop();
  void post(std::function<void()> work);
  // The same in two steps, for much work at once: queued, and later woken up for.
  void queue(std::function<void()> work);
  void wake_for_work();

  // From run()'s thread, or before it runs. A descriptor leaves when it is closed. watch() takes
  // one over that is watched already.
  bool watch(int descriptor, Id id, Readiness wanted);
  void rewatch(int descriptor, Id id, Readiness wanted);
  void set_timer(Id id, Clock::time_point before, Clock::time_point due);  // kNever: none

 private:
  int wait_ms();
  void run_work();
  void run_timers(Listener& listener);
  void wake() const;
  int poll_ = -1, wake_ = -1;
  std::set<std::pair<Clock::time_point, Id>> timers_;
  std::atomic<std::thread::id> thread_;  // of run()
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::vector<std::function<void()>> work_;
};

}  // namespace certline::server
