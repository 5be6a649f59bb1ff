// An idle connection has a read under way into a small buffer of its own. When that read ends, the
// rest is read into the thread's large buffer. Asio registers a descriptor once and tries to read
// before it waits. So the next read starts at the end of the turn: by then it often finds the next
// request there, and an answer takes two system calls. Next: line_connection.cpp,
// http_connection.cpp.
#include "daemon/server/stream_connection.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <thread>
#include <utility>

namespace certline::server {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using NoDelay = asio::detail::socket_option::boolean<IPPROTO_TCP, TCP_NODELAY>;

constexpr std::size_t kReadsPerTurn = 4;  // then the other connections get their share
constexpr std::chrono::seconds kLinger{2};
constexpr std::size_t kLingerBytes = 256 * 1024;
constexpr std::size_t kSpareBytes = 128 * 1024;

}  // namespace

StreamConnection::StreamConnection(ConnectionHost& host, Stream stream,
                                   const service::Caller& caller, std::uint64_t id)
    : host_(host),
      caller_(caller),
      now_(Clock::now()),
      stream_(std::move(stream)),
      timer_(host.io),
      id_(id) {}

// No exception gets into the loop.
template <class Work>
void StreamConnection::guarded(const Work& work) {
  if (closed_) return;
  try {
    now_ = Clock::now();
    work();
  } catch (const std::exception& failure) {
    crashed(failure);
  }
}

void StreamConnection::crashed(const std::exception& failure) {
  host_.log.write_limited(runtime::LogLevel::error, "request_crashed", {{"what", failure.what()}});
  close();
}

void StreamConnection::start() {
  guarded([this] {
    error_code ec;
    stream_.socket().set_option(NoDelay(true), ec);  // refused by a Unix socket
    read_available();                                // the request is often there already
    pump();
  });
}

void StreamConnection::pump() {
  if (closed_) return;
  serve();
  if (closed_) return;
  await_events();
  arm_timer();
}

void StreamConnection::serve_later() {
  if (serve_queued_ || closed_) return;
  serve_queued_ = true;
  asio::post(host_.io, [self = shared_from_this()] {
    self->serve_queued_ = false;
    self->guarded([&] { self->pump(); });
  });
}

// Reading.

void StreamConnection::await_events() {
  if (blocked_) await_room();
  if (reading_ || read_queued_) return;
  if (reads()) {
    read_queued_ = true;
    host_.read_later(shared_from_this());
  } else if (wait_ && !blocked_) {
    await_end();
  }
}

void StreamConnection::read_on() {
  read_queued_ = false;
  if (closed_ || reading_ || !reads()) return;
  reading_ = true;
  error_code ec;
  if (awaiting_end_) stream_.socket().cancel(ec);
  if (stream_.is_secure()) {
    const auto what =
        stream_.read_waits_to_write() ? Stream::Socket::wait_write : Stream::Socket::wait_read;
    return stream_.socket().async_wait(
        what, [self = shared_from_this()](const error_code&) { self->on_readable(); });
  }
  stream_.socket().async_read_some(
      asio::buffer(first_), [self = shared_from_this()](const error_code& e, std::size_t size) {
        self->on_input(e, size);
      });
}

void StreamConnection::on_readable() {
  reading_ = false;
  guarded([this] {
    read_available();
    check_overdue();
    pump();
  });
}

void StreamConnection::on_input(const error_code& ec, std::size_t size) {
  reading_ = false;
  guarded([&] {
    if (ec == asio::error::eof) {
      end_input();
    } else if (ec == asio::error::operation_aborted) {
      read_available();
    } else if (ec) {
      return close();
    } else if (size < first_.size()) {
      take({first_.data(), size});
    } else {
      std::copy_n(first_.data(), size, host_.read_buffer.data());
      read_available(size);
    }
    check_overdue();
    pump();
  });
}

// `before`: so many bytes stand in the buffer already.
void StreamConnection::read_available(std::size_t before) {
  const auto buffer = host_.read_buffer;
  for (std::size_t i = 0; i < kReadsPerTurn && !closed_ && (before > 0 || reads()); ++i) {
    const auto room = buffer.subspan(before);
    const Moved moved = stream_.read(room);
    const std::size_t size = std::exchange(before, 0) + moved.bytes;
    if (size > 0) take({buffer.data(), size});
    if (closed_ || moved.outcome == Outcome::would_block) return;
    if (moved.outcome == Outcome::failed) return close();
    if (moved.outcome == Outcome::end) return end_input();
    if (moved.bytes < room.size() && !stream_.is_secure()) return;
  }
}

void StreamConnection::take(std::string_view bytes) {
  if (!lingering_) return on_bytes(bytes);
  discarded_ += bytes.size();
  if (discarded_ > kLingerBytes) close();
}

void StreamConnection::end_input() {
  input_ended_ = true;
  lingering_ ? close() : on_end_of_input();
}

// While nothing is read: a client that is gone altogether needs no answer.
void StreamConnection::await_end() {
  if (awaiting_end_) return;
  awaiting_end_ = true;
  stream_.socket().async_wait(Stream::Socket::wait_error,
                              [self = shared_from_this()](const error_code& ec) {
                                self->awaiting_end_ = false;
                                self->guarded([&] {
                                  pollfd gone{self->stream_.socket().native_handle(), 0, 0};
                                  if (!ec && ::poll(&gone, 1, 0) > 0) return self->close();
                                  if (ec) self->await_events();
                                });
                              });
}

// Time.

void StreamConnection::arm_timer() {
  auto due = lingering_ ? linger_until_ : deadline();
  if (wait_) due = std::min(due, wait_->until);
  if (due >= armed_until_) return;  // an earlier tick re-arms itself
  armed_until_ = due;
  timer_.expires_at(due);
  timer_.async_wait([self = shared_from_this()](const error_code& ec) {
    if (!ec) self->on_timer();
  });
}

void StreamConnection::on_timer() {
  armed_until_ = TimePoint::max();
  guarded([this] {
    if (lingering_ && now_ >= linger_until_) return close();
    if (wait_ && now_ >= wait_->until) try_waiting(true);
    // While the connection waits for its next turn, it is the daemon that does not read. That turn
    // arms the timer again.
    if (serve_queued_) return;
    // A busy thread comes late: what arrived meanwhile must not be taken for silence.
    if (!lingering_ && !closed_ && now_ >= deadline()) {
      overdue_ = true;
      error_code ec;
      if (reading_) return void(stream_.socket().cancel(ec));  // on_input() goes on
      read_available();
      check_overdue();
    }
    pump();
  });
}

void StreamConnection::check_overdue() {
  if (!std::exchange(overdue_, false) || closed_ || lingering_ || serve_queued_) return;
  if (now_ >= deadline()) on_deadline();
}

// What is awaited of the store and of scans.

std::uint32_t StreamConnection::seconds_to_wait(std::string_view key) {
  return host_.sources.request(caller_.source, key, host_.settings()->config.rates, now_);
}

// The answer to a write comes on the store's thread, which must not even hold the connection for a
// moment: its last holder destroys it.
void StreamConnection::ask(const Request& request, Slot slot) {
  auto deliver = [inbox = host_.inbox, weak = weak_from_this(), slot,
                  here = std::this_thread::get_id()](service::Service::Answered said) {
    if (here == std::this_thread::get_id()) {
      if (const auto self = weak.lock()) self->on_answer(slot, said);
      return;
    }
    inbox->queue([weak, slot, said = std::move(said)] {
      const auto self = weak.lock();
      if (!self) return;
      self->guarded([&] {
        self->on_answer(slot, said);
        self->serve_later();  // answers of one commit leave together
      });
    });
  };
  host_.service.ask(request, caller_, host_.settings(), 0, host_.writes, std::move(deliver));
  if (!host_.writes.empty()) host_.await_turn_end();
}

void StreamConnection::await_scan(const Request& request, UtcTime received_utc, TimePoint until,
                                  Slot slot) {
  wait_ = std::make_unique<Wait>(Wait{request, received_utc, until, slot, {}});
  try_waiting(false);
}

void StreamConnection::try_waiting(bool give_up) {
  service::Service::Answered said{Error{}};
  const auto look = [&] {
    host_.service.ask(wait_->request, caller_, host_.settings(), wait_->received_utc, host_.writes,
                      [&](service::Service::Answered answered) { said = std::move(answered); });
  };
  look();
  if (said.wait_for && !give_up && !wait_->registered) {
    // Registered first, then asked again: a scan that ends in between is not missed.
    wait_->registered = said.wait_for;
    host_.wait_for(*said.wait_for, id_);
    look();
  }
  if (said.wait_for && !give_up) return;
  const Slot slot = wait_->slot;
  stop_waiting();
  on_answer(slot, said);
}

void StreamConnection::stop_waiting() {
  if (wait_ && wait_->registered) host_.stop_waiting(*wait_->registered, id_);
  wait_.reset();
}

void StreamConnection::endpoint_scanned() {
  guarded([this] {
    if (!wait_) return;
    wait_->registered.reset();
    try_waiting(false);
    serve_later();
  });
}

void StreamConnection::log_failure(const Reply& reply) const {
  if (reply || !host_.log.enabled(runtime::LogLevel::debug)) return;
  host_.log.write(runtime::LogLevel::debug, "request_failed",
                  {{"source", caller_.source.to_string()},
                   {"kind", error_name(reply.error().kind)},
                   {"detail", reply.error().detail}});
}

// Writing.

std::string& StreamConnection::output() {
  if (out_.empty() && host_.spare_output.capacity() > out_.capacity()) {
    out_.swap(host_.spare_output);
    out_.clear();
  }
  return out_;
}

bool StreamConnection::send_output() {
  while (!blocked_ && out_sent_ < out_.size()) {
    const Moved moved = stream_.write(std::string_view(out_).substr(out_sent_));
    if (moved.outcome == Outcome::would_block) {
      blocked_ = true;
    } else if (moved.outcome == Outcome::done) {
      out_sent_ += moved.bytes;
      on_sent(moved.bytes);
    } else {
      close();
      return false;
    }
  }
  if (blocked_) return false;
  // What was written through leaves its memory to the next connection that answers.
  out_.clear();
  out_sent_ = 0;
  if (out_.capacity() > host_.spare_output.capacity() && out_.capacity() <= kSpareBytes) {
    out_.swap(host_.spare_output);
  }
  out_ = std::string();
  return true;
}

void StreamConnection::await_room() {
  if (awaiting_room_) return;
  awaiting_room_ = true;
  stream_.socket().async_wait(Stream::Socket::wait_write,
                              [self = shared_from_this()](const error_code&) {
                                self->awaiting_room_ = false;
                                self->guarded([&] {
                                  self->blocked_ = false;
                                  self->pump();
                                });
                              });
}

// The end.

// Closing with unread input would reset the connection and eat the answer.
void StreamConnection::finish() {
  if (input_ended_) return close();
  stream_.shut_writing();
  lingering_ = true;
  linger_until_ = now_ + kLinger;
}

void StreamConnection::drain() {
  guarded([this] {
    draining_ = true;
    if (wait_) try_waiting(true);
    if (!closed_) on_drain();
    pump();
  });
}

void StreamConnection::close() {
  if (closed_) return;
  closed_ = true;
  stream_.close();
  timer_.cancel();
  stop_waiting();
  host_.closed(id_);
}

}  // namespace certline::server
