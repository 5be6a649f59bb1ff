// OpenSSL allocates memory for a ClientHello as soon as it is announced. So nothing of OpenSSL
// exists before the first record is whole: its bytes stay in the kernel, which wakes us when there
// are enough (SO_RCVLOWAT). Half a ClientHello costs this object and a descriptor, and counts as a
// connection. It counts as a handshake once it has memory of OpenSSL's. Next: tls_session.cpp.
#include "daemon/server/pending_handshake.hpp"

#include <poll.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

#include "protocol/line/render.hpp"

namespace certline::server {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// Where the kernel wakes us early, for want of room in its buffer.
constexpr std::chrono::milliseconds kLookAgain{100};

}  // namespace

PendingHandshake::PendingHandshake(ConnectionHost& host, TlsIdentityPtr identity, Wire wire,
                                   Stream stream, const service::Caller& caller, std::uint64_t id,
                                   Secured secured)
    : host_(host),
      identity_(std::move(identity)),
      wire_(wire),
      stream_(std::move(stream)),
      timer_(host.io),
      caller_(caller),
      id_(id),
      secured_(std::move(secured)),
      deadline_(Clock::now() + host.settings()->config.tls.handshakes.deadline) {}

PendingHandshake::~PendingHandshake() {
  leave_limits();
}

void PendingHandshake::start() {
  set_timer(deadline_);
  look();
}

void PendingHandshake::await(Stream::Socket::wait_type what) {
  waiting_ = true;
  stream_.socket().async_wait(what,
                              [self = shared_from_this()](const error_code&) { self->on_ready(); });
}

void PendingHandshake::on_ready() {
  waiting_ = false;
  if (over_) return;
  session_ ? step() : look();
}

void PendingHandshake::set_timer(Clock::time_point due) {
  timer_.expires_at(due);
  timer_.async_wait([self = shared_from_this()](const error_code& ec) {
    if (!ec) self->on_timer();
  });
}

void PendingHandshake::on_timer() {
  if (over_) return;
  if (Clock::now() >= deadline_) return give_up("deadline");
  set_timer(deadline_);
  if (!waiting_ && !session_) look();
}

void PendingHandshake::look() {
  const std::span<char> buffer = host_.read_buffer.first(kRecordHeaderBytes + kClientHelloBytes);
  error_code ec;
  const std::size_t size = stream_.socket().receive(asio::buffer(buffer.data(), buffer.size()),
                                                    Stream::Socket::message_peek, ec);
  if (ec == asio::error::would_block) return await(Stream::Socket::wait_read);
  if (ec) return close();
  const HelloLook hello = look_at_hello(buffer.first(size));
  if (hello.verdict == HelloLook::Verdict::wait) return await_bytes(hello.needed);
  if (hello.verdict == HelloLook::Verdict::begin) return begin();
  if (buffer[0] != kHandshakeRecord) return refuse_plain(size);
  give_up("no ClientHello, or too long a one");
}

void PendingHandshake::await_bytes(std::size_t needed) {
  if (awaited_ != needed) {
    awaited_ = needed;
    wake_from(needed);
    return await(Stream::Socket::wait_read);
  }
  pollfd gone{stream_.socket().native_handle(), POLLRDHUP, 0};
  if (::poll(&gone, 1, 0) > 0) return close();
  set_timer(std::min(deadline_, Clock::now() + kLookAgain));
}

void PendingHandshake::wake_from(std::size_t bytes) {
  error_code ec;
  stream_.socket().set_option(asio::socket_base::receive_low_watermark(static_cast<int>(bytes)),
                              ec);
}

void PendingHandshake::begin() {
  const runtime::Settings& settings = *host_.settings();
  counted_ = host_.sources.handshake_began(caller_.source, settings.config.tls.handshakes,
                                           is_exempt(caller_.source, settings.config.rates));
  if (!counted_) return give_up("too many handshakes at once");
  if (awaited_ > 0) wake_from(1);
  const auto alpn = is_http(wire_) ? TlsSession::Alpn::http : TlsSession::Alpn::none;
  session_ = identity_->session(stream_.socket().native_handle(), alpn);
  if (!session_) return give_up("no memory");
  step();
}

void PendingHandshake::step() {
  const TlsSession::Step outcome = session_->handshake();
  if (outcome == TlsSession::Step::wants_read) return await(Stream::Socket::wait_read);
  if (outcome == TlsSession::Step::wants_write) return await(Stream::Socket::wait_write);
  if (outcome == TlsSession::Step::failed) return give_up(session_->failure());
  over_ = true;
  leave_limits();
  timer_.cancel();
  stream_.secure(std::move(session_));
  secured_(std::move(stream_));
}

// Somebody took the wrong port. A line is answered with one that says so; whatever else speaks
// first gets nothing.
void PendingHandshake::refuse_plain(std::size_t got) {
  (void)stream_.read(host_.read_buffer.first(got));  // unread input would reset the answer away
  if (wire_ == Wire::line_tls) {
    (void)stream_.write(line::render_line(
        Error{ErrorKind::malformed, "this port takes TLS only; the plain one is another"}));
  }
  stream_.shut_writing();
  give_up("not TLS");
}

void PendingHandshake::give_up(std::string_view why) {
  host_.log.write_limited(
      runtime::LogLevel::info, "handshake_failed",
      {{"source", caller_.source.to_string()}, {"protocol", wire_name(wire_)}, {"reason", why}});
  close();
}

void PendingHandshake::leave_limits() {
  if (std::exchange(counted_, false)) host_.sources.handshake_ended(caller_.source);
}

void PendingHandshake::close() {
  if (over_) return;
  over_ = true;
  leave_limits();
  session_.reset();
  stream_.close();
  timer_.cancel();
  host_.closed(id_);
}

}  // namespace certline::server
