#pragma once
// Drives a LineSession like a server. The clock moves only when the test says so, and the service
// answers each request with its canonical text. So a test sees what was executed and when.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/line/session.hpp"
#include "tests/unit/protocol/describe_request.hpp"

namespace certline::test {

using namespace certline::line;

inline Reply echo(const Request& request) {
  return Error{ErrorKind::unavailable, describe(request), 0};
}

struct Driver {
  using TimePoint = LineSession::TimePoint;

  explicit Driver(LineLimits limits = {}, DomainRules rules = {}) : session(limits, rules, now) {}

  // Executes what may be executed; each request is answered at once, or kept in `open`.
  void pump() {
    while (auto execute = session.next_request()) {
      executed.push_back(describe(execute->request));
      if (hold) {
        open.push_back(std::move(*execute));
      } else {
        session.on_reply(execute->slot, echo(execute->request), now);
      }
    }
    if (reads) take_all();
  }

  void take_all() {
    while (true) {
      const std::string bytes = session.take_output();
      if (bytes.empty()) break;
      output += bytes;
      session.on_written(bytes.size());
      while (auto execute = session.next_request()) {
        executed.push_back(describe(execute->request));
        session.on_reply(execute->slot, echo(execute->request), now);
      }
    }
  }

  void send(std::string_view bytes) {
    session.on_bytes(bytes, now);
    pump();
  }
  void eof() {
    session.on_eof(now);
    pump();
  }
  void answer(std::size_t index) {
    session.on_reply(open.at(index).slot, echo(open.at(index).request), now);
    pump();
  }

  // Lets time pass, waking the session whenever it asked for it.
  void pass(std::chrono::milliseconds time) {
    const TimePoint until = now + time;
    while (session.deadline() <= until && !session.must_abort()) {
      now = std::max(now, session.deadline());
      session.on_time(now);
      pump();
    }
    now = until;
  }

  std::string taken() { return std::exchange(output, {}); }

  TimePoint now{std::chrono::hours(1)};
  LineSession session;
  bool hold = false;  // requests stay open until answer()
  bool reads = true;  // the peer takes all output at once
  std::vector<LineSession::Execute> open;
  std::vector<std::string> executed;
  std::string output;
};

}  // namespace certline::test
