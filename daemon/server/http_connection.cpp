// One request at a time: what comes behind it waits, unread beyond one buffer, until its answer is
// on its way. Framing is HttpGate's, routes are protocol/rest's; here are the socket, the deadlines
// and the hand-over to the service, as in LineConnection.
#include "daemon/server/http_connection.hpp"

#include <algorithm>

namespace certline::server {
namespace {

using std::chrono::milliseconds;

// Then the other connections get their share.
constexpr std::size_t kReadsPerTurn = 4;
constexpr std::size_t kRequestsPerTurn = 32;
constexpr std::chrono::seconds kLinger{2};
constexpr std::size_t kLingerBytes = 256 * 1024;
constexpr std::size_t kSpareBytes = 128 * 1024;
constexpr std::size_t kUnreadOutputBytes = 16 * 1024;  // then no further request is served

}  // namespace

void HttpConnection::crashed(const std::exception& failure) {
  host_.log.write_limited(runtime::LogLevel::error, "request_crashed", {{"what", failure.what()}});
  close();
}

void HttpConnection::start() {
  guarded([this] {
    socket_.set_no_delay();
    stage_since_ = now_;
    interest_.read = true;
    if (!host_.loop->watch(socket_.descriptor(), id_, interest_)) return close();
    read_available();
    pump();
  });
}

void HttpConnection::on_ready(Readiness ready) {
  guarded([&] {
    if (ready.error && !interest_.read) return close();  // nobody is there to take the answer
    if (ready.write) blocked_ = false;
    if (ready.read || ready.error || socket_.read_waits_to_write()) read_available();
    pump();
  });
}

bool HttpConnection::wants_input() const {
  return !input_ended_ && (lingering_ || (input_.empty() && !under_way_ && !ending_ && !blocked_));
}

void HttpConnection::update_interest() {
  if (closed_) return;
  const bool by_writing = wants_input() && socket_.read_waits_to_write();
  const Readiness wanted{wants_input() && !by_writing, blocked_ || by_writing};
  if (wanted == interest_) return;
  interest_ = wanted;
  host_.loop->rewatch(socket_.descriptor(), id_, wanted);
}

void HttpConnection::read_available() {
  const auto buffer = host_.read_buffer;
  for (std::size_t i = 0; i < kReadsPerTurn && !closed_ && wants_input(); ++i) {
    const auto [outcome, got] = socket_.read(buffer);
    if (outcome == Socket::Outcome::would_block) break;
    if (outcome == Socket::Outcome::failed) return close();
    if (outcome == Socket::Outcome::end) {
      input_ended_ = true;
      if (lingering_) return close();
      break;
    }
    if (lingering_) {
      discarded_ += got;
      if (discarded_ > kLingerBytes) return close();
      continue;
    }
    offer({buffer.data(), got});
    if (got < buffer.size() && !socket_.is_secure()) break;
  }
}

// Serves what is whole; the rest of the bytes waits.
void HttpConnection::offer(std::string_view bytes) {
  while (!bytes.empty() && !under_way_ && !ending_ && turn_ < kRequestsPerTurn &&
         out_.size() - out_sent_ < kUnreadOutputBytes) {
    std::size_t used = recall(bytes);
    if (used == 0) used = offer_one(bytes);
    bytes.remove_prefix(used);
  }
  if (!ending_) input_ = bytes;
}

std::size_t HttpConnection::offer_one(std::string_view bytes) {
  const bool whole = gate_.stage() == http::HttpGate::Stage::idle;
  const std::size_t used = gate_.put(bytes);
  if (gate_.stage() == http::HttpGate::Stage::complete) {
    serve(gate_.take(), whole ? bytes.substr(0, used) : std::string_view());
  } else if (gate_.stage() == http::HttpGate::Stage::refused) {
    refuse(gate_.refusal()->status, gate_.refusal()->detail);
  } else if (gate_.take_continue()) {
    output() += http::kHttpContinue;
  }
  note_stage();
  return used;
}

void HttpConnection::note_stage() {
  if (gate_.stage() == stage_) return;
  stage_ = gate_.stage();
  stage_since_ = now_;
}

std::string& HttpConnection::output() {
  if (out_.empty() && host_.spare_output.capacity() > out_.capacity()) {
    out_.swap(host_.spare_output);
    out_.clear();
  }
  return out_;
}

HttpConnection::TimePoint HttpConnection::deadline() const {
  if (lingering_) return linger_until_;
  if (blocked_) return write_until_;
  if (under_way_) return under_way_->until;
  const HttpLimits& most = limits();
  if (stage_ == http::HttpGate::Stage::head) return stage_since_ + most.head;
  if (stage_ != http::HttpGate::Stage::body) return stage_since_ + most.idle;
  const auto paid = gate_.body_bytes() * 1000 / std::max(most.body_bytes_per_s, 1u);
  return stage_since_ + most.head + milliseconds(paid);
}

void HttpConnection::arm_timer() {
  if (closed_) return;
  const auto due = deadline();
  if (due >= armed_until_) return;  // an earlier tick re-arms itself
  host_.loop->set_timer(id_, armed_until_, due);
  armed_until_ = due;
}

void HttpConnection::on_timer() {
  armed_until_ = TimePoint::max();
  if (closed_) return;
  guarded([this] {
    if (now_ >= deadline()) {
      // A busy thread comes late: what arrived meanwhile must not be taken for silence.
      if (!lingering_ && wants_input()) read_available();
      if (!closed_ && now_ >= deadline()) on_deadline();
    }
    pump();
  });
}

void HttpConnection::on_deadline() {
  if (lingering_) return close();
  if (blocked_) {
    host_.log.write_limited(
        runtime::LogLevel::info, "connection_dropped",
        {{"source", caller_.source.to_string()}, {"reason", "answers are not read"}});
    return close();
  }
  if (under_way_) return try_waiting(true);
  if (stage_ == http::HttpGate::Stage::head || stage_ == http::HttpGate::Stage::body) {
    return refuse(408, "the request came too slowly");
  }
  if (out_sent_ == out_.size()) close();
}

void HttpConnection::schedule_pump() {
  if (pump_scheduled_ || closed_) return;
  pump_scheduled_ = true;
  host_.loop->post([self = shared_from_this()] {
    self->pump_scheduled_ = false;
    self->guarded([&] { self->pump(); });
  });
}

void HttpConnection::pump() {
  if (closed_) return;
  flush();
  while (!closed_ && !input_.empty() && !under_way_ && !ending_ && !blocked_ &&
         turn_ < kRequestsPerTurn) {
    const std::string waited = std::exchange(input_, {});
    offer(waited);
    flush();
  }
  if (!closed_ && !input_.empty() && turn_ >= kRequestsPerTurn) schedule_pump();
  turn_ = 0;
  if (!closed_ && input_ended_ && !lingering_ && !under_way_ && input_.empty()) {
    ending_ = true;
    flush();
  }
  update_interest();
  arm_timer();
}

// What was written through leaves its memory to the next connection that answers.
void HttpConnection::drop_written() {
  out_.clear();
  out_sent_ = 0;
  if (out_.capacity() > host_.spare_output.capacity() && out_.capacity() <= kSpareBytes) {
    out_.swap(host_.spare_output);
  }
  out_ = std::string();
}

void HttpConnection::flush() {
  while (!blocked_ && out_sent_ < out_.size()) {
    const auto [outcome, sent] = socket_.write(std::string_view(out_).substr(out_sent_));
    if (outcome == Socket::Outcome::would_block) {
      blocked_ = true;
      // As slow as a body may come, an answer may be taken.
      const auto paid = out_.size() * 1000 / std::max(limits().body_bytes_per_s, 1u);
      if (write_until_ == TimePoint::max()) {
        write_until_ = now_ + limits().head + milliseconds(paid);
      }
      return;
    }
    if (outcome != Socket::Outcome::done) return close();
    out_sent_ += sent;
  }
  if (blocked_) return;
  write_until_ = TimePoint::max();
  if (!out_.empty()) drop_written();
  if (ending_ && !closed_ && !lingering_) finish();
}

void HttpConnection::finish() {
  if (input_ended_) return close();
  // Closing with unread input would reset the connection and eat the answer.
  socket_.shut_writing();
  lingering_ = true;
  linger_until_ = now_ + kLinger;
}

void HttpConnection::drain() {
  if (closed_) return;
  guarded([this] {
    draining_ = true;
    if (under_way_ && under_way_->waits) try_waiting(true);
    const bool idle =
        gate_.stage() == http::HttpGate::Stage::idle && input_.empty() && out_.empty();
    if (!under_way_ && idle && !lingering_) return close();
    if (!under_way_) ending_ = true;
    pump();
  });
}

void HttpConnection::close() {
  if (closed_) return;
  closed_ = true;
  socket_.close();
  host_.loop->set_timer(id_, armed_until_, EventLoop::kNever);
  stop_waiting();
  under_way_.reset();
  host_.closed(id_);
}

std::shared_ptr<Connection> make_http_connection(ConnectionHost& host, Socket socket,
                                                 const service::Caller& caller, std::uint64_t id) {
  return std::make_shared<HttpConnection>(host, std::move(socket), caller, id);
}

}  // namespace certline::server
