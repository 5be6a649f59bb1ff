#pragma once
// One connection of the line protocol without its socket: events in, actions out. The owner feeds
// bytes, end of input, time and replies; after each event (on_written() too: requests may wait for
// room in the output) it drains next_request(), take_output() and looks at closing() and
// deadline(). No clock, no I/O, no threads: belongs to one thread.

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/domain.hpp"
#include "protocol/limits.hpp"
#include "protocol/request.hpp"

namespace certline::line {

// Answers a line without parsing it, where the answer is still known.
class LineMemory {
 public:
  virtual ~LineMemory() = default;
  // Appends both lines of the reply to `out`; false, and nothing appended, where it isn't known.
  // `now` is when the line came.
  virtual bool recall(std::string_view line, std::chrono::steady_clock::time_point now,
                      std::string& out) = 0;
};

class LineSession {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Slot = std::uint64_t;  // names a request until its reply came

  struct Execute {
    Slot slot;
    Request request;
    TimePoint received;
  };

  // `memory` may be null; it is asked only while nothing is under way.
  LineSession(const LineLimits& limits, const DomainRules& rules, TimePoint now,
              LineMemory* memory = nullptr);

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
  // A turn: next_request() looks at no more than so many lines, good, bad or blank, then gives
  // nothing; turn_used() tells, and the owner comes back after its other connections. Until the
  // first call turns have no limit.
  void begin_turn(std::size_t lines) { lines_left_ = lines; }
  bool turn_used() const { return lines_left_ == 0; }
  std::string take_output();  // replies in request order, gathered for one write
  // Memory for the output: lent before requests are drained, and what was not needed given back
  // after it. `room` is empty both times.
  void lend_output(std::string& room);
  void give_back_output(std::string& room);
  bool wants_input() const;  // false: stop reading (back-pressure)
  bool closing() const;      // close once the output is written
  // Close at once, the peer doesn't read: unread_output_bytes wait and for a second or two the
  // socket took none of them, or fewer wait and none was taken for the idle time. No request is
  // handed out while that much output waits, so a fast pipelining peer that does read is only
  // slowed down.
  bool must_abort() const;
  TimePoint deadline() const;  // when on_time() is due; TimePoint::max() for never
  // Why the session closes, for the log: "" while it doesn't. "idle", "no_request", "eof",
  // "http", "tls", "smtp", "unread_output", "shutdown", "slow_line", "malformed".
  std::string_view close_reason() const { return close_reason_; }

 private:
  // A request handed out, or a reply that waits for those before it.
  struct Pending {
    bool write = false;
    bool answered = false;
    std::string reply;  // rendered, once answered out of order
  };

  void sniff();
  std::optional<std::string_view> next_line();
  void take_line(std::string_view line);
  bool recalled(std::string_view line);
  void refuse(Error error);
  void close(std::string_view reason);
  void close_with(std::string_view reason, std::string text);
  void forget_input();
  void flush();
  void note_output(std::size_t before);
  void note_pause();
  bool may_hand_out(bool write) const;
  bool reading() const { return !closing_ && !eof_; }
  bool nothing_under_way() const { return pending_.empty() && !held_; }
  std::size_t backlog() const { return in_.size() - in_pos_; }
  std::size_t unwritten() const { return out_.size() + in_flight_; }
  bool output_full() const { return unwritten() >= limits_.unread_output_bytes; }
  TimePoint stall_deadline() const;
  TimePoint silence_deadline() const;

  const LineLimits limits_;
  const DomainRules rules_;
  LineMemory* const memory_;
  const TimePoint start_;
  TimePoint now_;  // of the latest event

  std::string in_;  // what came and is not cut into lines yet: in_[in_pos_ …]
  std::size_t in_pos_ = 0;
  std::size_t searched_ = 0;  // no LF in in_[in_pos_ … searched_)
  bool sniffing_ = true;      // the first bytes may still be another protocol's
  bool discarding_ = false;   // inside a line that is too long
  bool mid_line_ = false;     // the last byte that came was not LF
  bool paused_ = false;       // the owner was told to stop reading
  bool eof_ = false;
  TimePoint last_byte_;   // or when reading went on, if that was later
  TimePoint line_start_;  // first byte of the open line, or when reading went on
  TimePoint active_;      // last byte or reply

  std::size_t lines_left_ = SIZE_MAX;  // of this turn

  std::optional<Request> held_;  // parsed, waits for those under way
  std::deque<Pending> pending_;  // slots first_slot_, first_slot_ + 1, …
  Slot first_slot_ = 0;
  bool alone_ = false;  // a request that is not a write is under way
  bool seen_request_ = false;
  std::uint32_t refused_in_row_ = 0;

  std::string out_;                 // rendered, not taken
  std::size_t in_flight_ = 0;       // taken, not yet written
  bool blocked_by_output_ = false;  // the last next_request() stopped because output was full
  bool progress_ = false;           // the socket took something since stall_from_
  TimePoint stall_from_;
  bool closing_ = false;  // no further request
  bool abort_ = false;
  std::string_view close_reason_;
};

}  // namespace certline::line
