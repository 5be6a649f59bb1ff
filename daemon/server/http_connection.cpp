// One request at a time. Later ones wait until its answer is on its way; no more than one buffer of
// them is read. This file has the order of requests and the deadlines. HttpGate does the framing,
// protocol/rest the routes, StreamConnection the socket and the timer. Next: http_exchange.cpp.
#include "daemon/server/http_connection.hpp"

#include <algorithm>

namespace certline::server {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kRequestsPerTurn = 32;           // then the other connections get their share
constexpr std::size_t kUnreadOutputBytes = 16 * 1024;  // then no further request is served

}  // namespace

HttpConnection::HttpConnection(ConnectionHost& host, Stream stream, const service::Caller& caller,
                               std::uint64_t id)
    : StreamConnection(host, std::move(stream), caller, id), stage_since_(now_) {}

bool HttpConnection::wants_input() const {
  return input_.empty() && !under_way_ && !ending_ && !blocked_;
}

// Serves what is whole; the rest of the bytes waits.
void HttpConnection::offer(std::string_view bytes) {
  while (!bytes.empty() && !under_way_ && !ending_ && turn_ < kRequestsPerTurn &&
         unsent() < kUnreadOutputBytes) {
    std::size_t used = recall(bytes);
    if (used == 0) used = offer_one(bytes);
    bytes.remove_prefix(used);
  }
  if (!ending_) input_ += bytes;
}

std::size_t HttpConnection::offer_one(std::string_view bytes) {
  const bool whole = gate_.stage() == http::HttpGate::Stage::idle;
  const std::size_t used = gate_.put(bytes);
  if (gate_.stage() == http::HttpGate::Stage::complete) {
    serve_request(gate_.take(), whole ? bytes.substr(0, used) : std::string_view());
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

HttpConnection::TimePoint HttpConnection::deadline() const {
  if (blocked_) return write_until_;
  if (under_way_) return TimePoint::max();
  const HttpLimits& most = limits();
  if (stage_ == http::HttpGate::Stage::head) return stage_since_ + most.head;
  if (stage_ != http::HttpGate::Stage::body) return stage_since_ + most.idle;
  const auto paid = gate_.body_bytes() * 1000 / std::max(most.body_bytes_per_s, 1u);
  return stage_since_ + most.head + milliseconds(paid);
}

void HttpConnection::on_deadline() {
  if (blocked_) {
    host_.log.write_limited(
        runtime::LogLevel::info, "connection_dropped",
        {{"source", caller_.source.to_string()}, {"reason", "answers are not read"}});
    return close();
  }
  if (stage_ == http::HttpGate::Stage::head || stage_ == http::HttpGate::Stage::body) {
    return refuse(408, "the request came too slowly");
  }
  if (unsent() == 0) close();
}

void HttpConnection::serve() {
  flush();
  while (!closed_ && !input_.empty() && !under_way_ && !ending_ && !blocked_ &&
         turn_ < kRequestsPerTurn) {
    const std::string waited = std::exchange(input_, {});
    offer(waited);
    flush();
  }
  if (!closed_ && !input_.empty() && turn_ >= kRequestsPerTurn) serve_later();
  turn_ = 0;
  if (!closed_ && input_ended_ && !lingering_ && !under_way_ && input_.empty()) {
    ending_ = true;
    flush();
  }
}

void HttpConnection::flush() {
  if (!send_output()) {
    // As slow as a body may come, an answer may be taken.
    const auto paid = out_.size() * 1000 / std::max(limits().body_bytes_per_s, 1u);
    write_until_ = std::min(write_until_, now_ + limits().head + milliseconds(paid));
    return;
  }
  write_until_ = TimePoint::max();
  if (ending_ && !lingering_) finish();
}

void HttpConnection::on_drain() {
  const bool idle = gate_.stage() == http::HttpGate::Stage::idle && input_.empty() && out_.empty();
  if (!under_way_ && idle && !lingering_) return close();
  if (!under_way_) ending_ = true;
}

}  // namespace certline::server
