#pragma once
// One connection of the line protocol without its socket: events in, actions out. The owner feeds
// bytes, end of input, time and replies; after each event it drains next_request(), take_output()
// and looks at closing() and deadline(). No clock, no I/O, no threads: belongs to one thread.

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/command_table.hpp"
#include "protocol/limits.hpp"
#include "protocol/request.hpp"

namespace certline {

class LineSession {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Slot = std::uint64_t;  // names a request until its reply came

  struct Execute {
    Slot slot;
    Request request;
    TimePoint received;
  };

  LineSession(const LineLimits& limits, const DomainRules& rules, TimePoint now);

  // Events.
  void on_bytes(std::string_view bytes, TimePoint now);
  void on_eof(TimePoint now);   // half-close: what is gathered is the last request
  void on_time(TimePoint now);  // call at deadline()
  void on_reply(Slot slot, const Reply& reply, TimePoint now);
  void on_written(std::size_t bytes);  // the socket took that much of take_output()
  void drain();                        // shutdown: answer what is under way, then close

  // Actions.
  // The next request to execute now. Writes may be under way together (at most kPendingWrites);
  // any other request is handed out alone, after all before it were answered.
  std::optional<Execute> next_request();
  std::string take_output();      // replies in request order, gathered for one write
  bool wants_input() const;       // false: stop reading (back-pressure)
  bool closing() const;           // close once the output is written
  bool must_abort() const;        // close at once: the peer doesn't read
  TimePoint deadline() const;     // when on_time() is due; TimePoint::max() for never
  // Why the session closes, for the log: "" while it doesn't. "idle", "no_request", "eof",
  // "http", "tls", "smtp", "unread_output", "shutdown".
  std::string_view close_reason() const { return close_reason_; }

 private:
  // (the implementation's state)
  std::string_view close_reason_;
};

}  // namespace certline
