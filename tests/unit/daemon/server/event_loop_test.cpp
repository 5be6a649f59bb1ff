// The loop of a server thread: readiness, timers, work from other threads, and its end.
#include "daemon/server/event_loop.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <map>
#include <string>

using namespace certline::server;
using Clock = EventLoop::Clock;

namespace {

struct Ear : EventLoop::Listener {
  explicit Ear(EventLoop& l) : loop(l) {}
  void on_ready(EventLoop::Id id, Readiness what) override { ready(id, what); }
  void on_timer(EventLoop::Id id) override {
    heard += std::to_string(id) + ' ';
    timer(id);
  }
  EventLoop& loop;
  std::function<void(EventLoop::Id, Readiness)> ready = [](EventLoop::Id, Readiness) {};
  std::function<void(EventLoop::Id)> timer = [](EventLoop::Id) {};
  std::string heard;
};

struct Pair {
  std::array<int, 2> ends{-1, -1};
  Pair() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) == 0); }
  ~Pair() {
    for (const int end : ends) ::close(end);
  }
};

}  // namespace

TEST_CASE("what is unread is told again, and what is not wanted isn't told") {
  EventLoop loop;
  Ear ear(loop);
  Pair pair;
  REQUIRE(loop.watch(pair.ends[0], 7, {true, false, false}));
  REQUIRE(::write(pair.ends[1], "ab", 2) == 2);
  int told = 0;
  ear.ready = [&](EventLoop::Id id, Readiness what) {
    CHECK(id == 7);
    CHECK(what == (++told <= 3 ? Readiness{true, false, false} : Readiness{false, true, false}));
    if (told == 3) loop.rewatch(pair.ends[0], 7, {false, true, false});
    if (told == 4) loop.stop();
  };
  loop.run(ear);
  CHECK(told == 4);
}

TEST_CASE("a peer that is gone is told to who waits for nothing") {
  EventLoop loop;
  Ear ear(loop);
  Pair pair;
  REQUIRE(loop.watch(pair.ends[0], 1, {}));
  ::shutdown(pair.ends[0], SHUT_RDWR);
  ear.ready = [&](EventLoop::Id, Readiness what) {
    CHECK(what.error);
    loop.stop();
  };
  loop.run(ear);
}

TEST_CASE("timers come in order, moved and cancelled ones as they were last set") {
  EventLoop loop;
  Ear ear(loop);
  const auto past = Clock::now() - std::chrono::hours(1);
  const auto at = [&](int minutes) { return past + std::chrono::minutes(minutes); };
  loop.set_timer(1, EventLoop::kNever, at(3));
  loop.set_timer(2, EventLoop::kNever, at(1));
  loop.set_timer(3, EventLoop::kNever, at(2));
  loop.set_timer(4, EventLoop::kNever, at(2));
  loop.set_timer(1, at(3), at(0));
  loop.set_timer(3, at(2), EventLoop::kNever);
  ear.timer = [&](EventLoop::Id id) {
    if (id == 4) loop.stop();
  };
  loop.run(ear);
  CHECK(ear.heard == "1 2 4 ");
}

TEST_CASE("work from other threads runs in order, and wakes a loop that sleeps") {
  EventLoop loop;
  Ear ear(loop);
  std::string done;
  std::thread other([&] {
    for (const char c : {'a', 'b', 'c'}) loop.post([&done, c] { done += c; });
    loop.post([&] {
      loop.post([&] {
        done += 'e';
        loop.stop();
        loop.post([&] { done += "never"; });
      });
      done += 'd';
    });
  });
  loop.run(ear);
  other.join();
  CHECK(done == "abcde");
}

TEST_CASE("a stopped loop doesn't run") {
  EventLoop loop;
  Ear ear(loop);
  loop.stop();
  loop.post([] { FAIL("too late"); });
  loop.run(ear);
}
