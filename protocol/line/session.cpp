// The line session. Bytes gather in one buffer; a line is cut off when its request may begin;
// replies leave in the order of the requests. Silence and half-close end a request by appending the
// LF that the client left out, so that there is one way to find a line's end. daemon/server owns a
// session and its socket.
#include "protocol/line/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "protocol/line/parser.hpp"
#include "protocol/line/render.hpp"

namespace certline::line {
namespace {

constexpr std::size_t kKeptBytes = 4096;  // an empty input buffer larger than this is given back

// What other protocols' clients say first. No request begins like one of these.
struct Foreign {
  std::string_view opening;  // letters in upper case
  std::string_view reason;
};
constexpr std::array kForeign{
    Foreign{"GET ", "http"},     Foreign{"HEAD ", "http"},   Foreign{"POST ", "http"},
    Foreign{"PUT ", "http"},     Foreign{"DELETE ", "http"}, Foreign{"CONNECT ", "http"},
    Foreign{"OPTIONS ", "http"}, Foreign{"TRACE ", "http"},  Foreign{"PATCH ", "http"},
    Foreign{"PRI * ", "http"},   Foreign{"HOST:", "http"},   Foreign{"\x16\x03", "tls"},
    Foreign{"EHLO ", "smtp"},    Foreign{"HELO ", "smtp"},   Foreign{"EHLO\r", "smtp"},
    Foreign{"EHLO\n", "smtp"},   Foreign{"HELO\r", "smtp"},  Foreign{"HELO\n", "smtp"},
};

char upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
}

// Do the two agree as far as the shorter one goes?
bool agree(std::string_view input, std::string_view opening) {
  const std::size_t size = std::min(input.size(), opening.size());
  return std::equal(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(size),
                    opening.begin(), [](char a, char b) { return upper(a) == b; });
}

std::string right_port(std::string_view reason) {
  static constexpr std::string_view kHere = "this port speaks plain text lines, see command help; ";
  if (reason == "http") {
    return fmt::format("{}HTTP is served on port {} where it is enabled", kHere, kHttpPort);
  }
  if (reason == "tls") {
    return fmt::format("{}TLS is served on port {} where it is enabled", kHere, kLineTlsPort);
  }
  return fmt::format("{}mail goes to port 25 of a mail server", kHere);
}

std::string seconds(std::chrono::milliseconds time) {
  if (time.count() % 1000 == 0) return fmt::format("{} s", time.count() / 1000);
  return fmt::format("{} ms", time.count());
}

bool is_blank_line(std::string_view line) {
  return line.find_first_not_of(" \t") == std::string_view::npos;
}

Error too_long() {
  return {ErrorKind::too_long,
          fmt::format("the line is longer than {} bytes; send shorter requests", kLineBytes), 0};
}

}  // namespace

LineSession::LineSession(const LineLimits& limits, const DomainRules& rules, TimePoint now,
                         LineMemory* memory)
    : limits_(limits),
      rules_(rules),
      memory_(memory),
      start_(now),
      now_(now),
      last_byte_(now),
      line_start_(now),
      active_(now),
      stall_from_(now) {}

// Events.

void LineSession::on_bytes(std::string_view bytes, TimePoint now) {
  now_ = now;
  if (bytes.empty() || !reading()) return;
  last_byte_ = active_ = now;
  const std::size_t line_end = bytes.rfind('\n');
  if (line_end != std::string_view::npos || !mid_line_) line_start_ = now;
  mid_line_ = bytes.back() != '\n';
  in_.erase(0, in_pos_);
  searched_ -= in_pos_;
  in_pos_ = 0;
  in_ += bytes;
  sniff();
  note_pause();
}

void LineSession::on_eof(TimePoint now) {
  now_ = now;
  if (!reading()) return;
  if (mid_line_) in_ += '\n';
  mid_line_ = false;
  eof_ = true;
  close_reason_ = "eof";
  sniff();
}

void LineSession::on_time(TimePoint now) {
  now_ = now;
  if (stall_deadline() <= now) {
    if (!progress_) {
      abort_ = true;
      close("unread_output");
      return;
    }
    progress_ = false;
    stall_from_ = now;
  }
  if (!reading()) return;
  if (mid_line_ && wants_input() && last_byte_ + limits_.quiet <= now) {
    in_ += '\n';
    mid_line_ = false;
    sniff();
  }
  if (silence_deadline() > now) return;
  if (!seen_request_) {
    close_with("no_request", fmt::format("no request within {} of connecting; connect again",
                                         seconds(limits_.first_request)));
  } else if (mid_line_) {
    close_with("slow_line", fmt::format("the line was not complete within {}; connect again",
                                        seconds(limits_.first_request)));
  } else {
    close_with("idle", fmt::format("no request for {}; connect again", seconds(limits_.idle)));
  }
}

void LineSession::on_reply(Slot slot, const Reply& reply, TimePoint now) {
  now_ = active_ = now;
  const std::size_t index = slot - first_slot_;
  if (slot < first_slot_ || index >= pending_.size() || pending_[index].answered) return;
  Pending& entry = pending_[index];
  if (!entry.write) alone_ = false;
  entry.answered = true;
  if (index == 0) {
    const std::size_t before = unwritten();
    append_line(out_, reply);
    note_output(before);
  } else {
    append_line(entry.reply, reply);
  }
  flush();
  note_pause();
}

void LineSession::on_written(std::size_t bytes) {
  if (bytes == 0) return;
  in_flight_ -= std::min(bytes, in_flight_);
  progress_ = true;
}

void LineSession::drain() {
  if (!closing_) close("shutdown");
}

// Actions.

std::optional<LineSession::Execute> LineSession::next_request() {
  blocked_by_output_ = false;
  while (!closing_ && !sniffing_) {
    if (held_) {
      const bool write = is_write(*held_);
      if (!may_hand_out(write)) break;
      alone_ = !write;
      pending_.push_back({write, false, {}});
      Execute execute{first_slot_ + pending_.size() - 1, std::move(*held_), last_byte_};
      held_.reset();
      return execute;
    }
    blocked_by_output_ = output_full();
    if (alone_ || blocked_by_output_ || pending_.size() >= kPendingWrites) break;
    if (lines_left_ == 0) break;
    const auto line = next_line();
    if (!line) break;
    --lines_left_;
    take_line(*line);
  }
  note_pause();
  return std::nullopt;
}

std::string LineSession::take_output() {
  if (out_.empty()) return {};
  in_flight_ += out_.size();
  std::string output;
  output.swap(out_);
  return output;
}

void LineSession::lend_output(std::string& room) {
  if (out_.empty() && out_.capacity() < room.capacity()) out_.swap(room);
}

void LineSession::give_back_output(std::string& room) {
  if (out_.empty() && room.capacity() < out_.capacity()) out_.swap(room);
}

bool LineSession::wants_input() const {
  return reading() && backlog() < kInputBacklogBytes;
}

bool LineSession::closing() const {
  if (abort_) return true;
  if (!pending_.empty()) return false;
  return closing_ || (eof_ && !held_ && backlog() == 0);
}

bool LineSession::must_abort() const {
  return abort_;
}

LineSession::TimePoint LineSession::deadline() const {
  if (abort_) return TimePoint::max();
  if (blocked_by_output_ && !output_full()) return now_;  // requests may go on: look again
  TimePoint due = stall_deadline();
  if (!reading()) return due;
  if (mid_line_ && wants_input()) due = std::min(due, last_byte_ + limits_.quiet);
  return std::min(due, silence_deadline());
}

// The state behind them.

// While the first bytes may still become another protocol's opening, no line is cut off.
void LineSession::sniff() {
  if (!sniffing_) return;
  bool open = false;
  for (const Foreign& foreign : kForeign) {
    if (!agree(in_, foreign.opening)) continue;
    if (in_.size() >= foreign.opening.size()) {
      sniffing_ = false;
      close_with(foreign.reason, right_port(foreign.reason));
      return;
    }
    open = true;
  }
  sniffing_ = open;
}

// The next complete line without its end; the view holds until the next event. A line that is too
// long is dropped as it comes and answered where it ends.
std::optional<std::string_view> LineSession::next_line() {
  if (backlog() == 0) {
    forget_input();
    return std::nullopt;
  }
  const std::size_t end = in_.find('\n', searched_);
  if (end == std::string::npos) {
    searched_ = in_.size();
    if (discarding_ || backlog() > kLineBytes + 1) {
      discarding_ = true;
      forget_input();
    }
    return std::nullopt;
  }
  std::string_view line(in_.data() + in_pos_, end - in_pos_);
  if (line.ends_with('\r')) line.remove_suffix(1);
  in_pos_ = searched_ = end + 1;
  return line;
}

void LineSession::take_line(std::string_view line) {
  const bool long_line = discarding_ || line.size() > kLineBytes;
  discarding_ = false;
  if (long_line) {
    refuse(too_long());
    return;
  }
  if (recalled(line) || is_blank_line(line)) return;
  Result<Request> request = parse_line(line, rules_);
  if (!request) {
    refuse(std::move(request.error()));
    return;
  }
  seen_request_ = true;
  refused_in_row_ = 0;
  held_ = std::move(*request);
}

bool LineSession::recalled(std::string_view line) {
  if (memory_ == nullptr || !pending_.empty()) return false;
  const std::size_t before = unwritten();
  if (!memory_->recall(line, now_, out_)) return false;
  seen_request_ = true;
  refused_in_row_ = 0;
  active_ = now_;
  note_output(before);
  return true;
}

// Answers a line that is not a request, in its turn.
void LineSession::refuse(Error error) {
  seen_request_ = true;
  active_ = now_;
  const bool broken = error.kind == ErrorKind::malformed || error.kind == ErrorKind::too_long;
  refused_in_row_ = broken ? refused_in_row_ + 1 : 0;
  const bool last = refused_in_row_ >= kMalformedInRow;
  if (last) {
    error.detail = fmt::format("{} malformed lines in a row; read command help and connect again",
                               kMalformedInRow);
  }
  pending_.push_back({true, true, render_line(error)});
  flush();
  if (last) close("malformed");
}

// No further request; what is under way is still answered.
void LineSession::close(std::string_view reason) {
  closing_ = true;
  close_reason_ = reason;
  held_.reset();
  forget_input();
}

void LineSession::forget_input() {
  if (in_.capacity() > kKeptBytes) in_ = std::string();
  in_.clear();
  in_pos_ = searched_ = 0;
}

void LineSession::close_with(std::string_view reason, std::string text) {
  const bool foreign = reason == "http" || reason == "tls" || reason == "smtp";
  const ErrorKind kind = foreign ? ErrorKind::malformed : ErrorKind::unavailable;
  pending_.push_back({true, true, render_line(Error{kind, std::move(text), 0})});
  flush();
  close(reason);
}

// Moves the replies that are next in order to the output.
void LineSession::flush() {
  while (!pending_.empty() && pending_.front().answered) {
    const std::size_t before = unwritten();
    out_ += pending_.front().reply;
    note_output(before);
    pending_.pop_front();
    ++first_slot_;
  }
}

// Starts the clock of unread output when there begins to be some, and again when it is full.
void LineSession::note_output(std::size_t before) {
  const std::size_t full = limits_.unread_output_bytes;
  if (before != 0 && (before >= full || unwritten() < full)) return;
  stall_from_ = now_;
  progress_ = false;
}

// While the owner doesn't read, silence means nothing: the clocks of the open line start anew when
// reading goes on.
void LineSession::note_pause() {
  const bool reads = wants_input();
  if (paused_ && reads) last_byte_ = line_start_ = now_;
  paused_ = !reads;
}

bool LineSession::may_hand_out(bool write) const {
  if (write) return !alone_ && pending_.size() < kPendingWrites;
  return pending_.empty();
}

LineSession::TimePoint LineSession::stall_deadline() const {
  if (unwritten() == 0) return TimePoint::max();
  return stall_from_ + (output_full() ? kOutputStall : limits_.idle);
}

// When the connection has been without a complete request for too long.
LineSession::TimePoint LineSession::silence_deadline() const {
  if (!seen_request_) return start_ + limits_.first_request;
  if (mid_line_) return wants_input() ? line_start_ + limits_.first_request : TimePoint::max();
  const bool waiting = nothing_under_way() && backlog() == 0 && unwritten() == 0;
  return waiting ? active_ + limits_.idle : TimePoint::max();
}

}  // namespace certline::line
