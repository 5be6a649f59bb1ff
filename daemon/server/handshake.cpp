// OpenSSL makes room for a ClientHello as soon as it is announced, so nothing of OpenSSL exists
// before the first record is whole: until then its bytes are the kernel's, which wakes us when
// there are enough (SO_RCVLOWAT). Half a ClientHello costs this object and a descriptor, and counts
// as a connection; only what has memory of OpenSSL's counts as a handshake.
#include "daemon/server/handshake.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "protocol/line/render.hpp"

namespace certline::server {
namespace {

constexpr std::size_t kRecordHeader = 5, kHandshakeHeader = 4;
constexpr std::size_t kHeaders = kRecordHeader + kHandshakeHeader;
constexpr unsigned char kHandshakeRecord = 22, kMajorVersion = 3, kClientHello = 1;
// Where the kernel wakes us early, for want of room in its buffer.
constexpr std::chrono::milliseconds kLookAgain{100};

}  // namespace

HelloLook look_at_hello(std::span<const char> first) {
  using enum HelloLook::Verdict;
  const auto at = [&](std::size_t i) {
    return static_cast<std::size_t>(static_cast<unsigned char>(first[i]));
  };
  if (first.size() > 0 && at(0) != kHandshakeRecord) return {refuse};
  if (first.size() > 1 && at(1) != kMajorVersion) return {refuse};
  if (first.size() < kRecordHeader) return {wait, kHeaders};
  const std::size_t record = at(3) << 8 | at(4);
  if (record < kHandshakeHeader || record > kClientHelloBytes) return {refuse};
  if (first.size() > kRecordHeader && at(kRecordHeader) != kClientHello) return {refuse};
  if (first.size() < kHeaders) return {wait, kHeaders};
  if ((at(6) << 16 | at(7) << 8 | at(8)) > kClientHelloBytes) return {refuse};
  if (first.size() < kRecordHeader + record) return {wait, kRecordHeader + record};
  return {begin};
}

Handshake::Handshake(ConnectionHost& host, TlsIdentityPtr identity, Wire wire, Socket socket,
                     const service::Caller& caller, std::uint64_t id, Secured secured)
    : host_(host),
      identity_(std::move(identity)),
      wire_(wire),
      socket_(std::move(socket)),
      caller_(caller),
      id_(id),
      secured_(std::move(secured)),
      deadline_(Clock::now() + host.settings()->config.tls.handshakes.deadline) {}

Handshake::~Handshake() {
  leave_limits();
}

void Handshake::start() {
  if (!host_.loop->watch(socket_.descriptor(), id_, interest_)) return close();
  set_timer(deadline_);
  look();
}

void Handshake::on_ready(Readiness ready) {
  if (over_) return;
  if (ready.error && !ready.read) return close();
  session_ ? step() : look();
}

void Handshake::on_timer() {
  armed_ = EventLoop::kNever;
  if (over_) return;
  if (Clock::now() >= deadline_) return give_up("deadline");
  set_timer(deadline_);
  if (session_) return;
  set_interest({true});
  look();
}

void Handshake::look() {
  const std::span<char> buffer = host_.read_buffer.first(kRecordHeader + kClientHelloBytes);
  const ssize_t got = ::recv(socket_.descriptor(), buffer.data(), buffer.size(), MSG_PEEK);
  if (got == 0) return close();
  if (got < 0) return errno == EAGAIN || errno == EINTR ? void() : close();
  const auto size = static_cast<std::size_t>(got);
  const HelloLook hello = look_at_hello(buffer.first(size));
  if (hello.verdict == HelloLook::Verdict::wait) return await_bytes(hello.needed);
  if (hello.verdict == HelloLook::Verdict::begin) return begin();
  if (buffer[0] != kHandshakeRecord) return refuse_plain(size);
  give_up("no ClientHello, or too long a one");
}

void Handshake::await_bytes(std::size_t needed) {
  if (awaited_ != needed) {
    awaited_ = needed;
    return wake_from(static_cast<int>(needed));
  }
  pollfd gone{socket_.descriptor(), POLLRDHUP, 0};
  if (::poll(&gone, 1, 0) > 0) return close();
  set_interest({});
  set_timer(std::min(deadline_, Clock::now() + kLookAgain));
}

void Handshake::wake_from(int bytes) {
  ::setsockopt(socket_.descriptor(), SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
}

void Handshake::begin() {
  const runtime::Settings& settings = *host_.settings();
  counted_ = host_.sources.handshake_began(caller_.source, settings.config.tls.handshakes,
                                           is_exempt(caller_.source, settings.config.rates));
  if (!counted_) return give_up("too many handshakes at once");
  if (awaited_ > 0) wake_from(1);
  const auto alpn = is_http(wire_) ? TlsSession::Alpn::http : TlsSession::Alpn::none;
  session_ = identity_->session(socket_.descriptor(), alpn);
  if (!session_) return give_up("no memory");
  step();
}

void Handshake::step() {
  const TlsSession::Step outcome = session_->handshake();
  if (outcome == TlsSession::Step::wants_read) return set_interest({true, false});
  if (outcome == TlsSession::Step::wants_write) return set_interest({false, true});
  if (outcome == TlsSession::Step::failed) return give_up(session_->failure());
  over_ = true;
  leave_limits();
  set_timer(EventLoop::kNever);
  socket_.secure(std::move(session_));
  secured_(std::move(socket_));
}

// Somebody took the wrong port. A line is answered with one that says so; whatever else speaks
// first gets nothing.
void Handshake::refuse_plain(std::size_t got) {
  (void)socket_.read(host_.read_buffer.first(got));  // unread input would reset the answer away
  if (wire_ == Wire::line_tls) {
    (void)socket_.write(line::render_line(
        Error{ErrorKind::malformed, "this port takes TLS only; the plain one is another"}));
  }
  socket_.shut_writing();
  give_up("not TLS");
}

void Handshake::give_up(std::string_view why) {
  host_.log.write_limited(
      runtime::LogLevel::info, "handshake_failed",
      {{"source", caller_.source.to_string()}, {"protocol", wire_name(wire_)}, {"reason", why}});
  close();
}

void Handshake::leave_limits() {
  if (std::exchange(counted_, false)) host_.sources.handshake_ended(caller_.source);
}

void Handshake::set_timer(Clock::time_point due) {
  host_.loop->set_timer(id_, armed_, due);
  armed_ = due;
}

void Handshake::set_interest(Readiness wanted) {
  if (wanted == interest_) return;
  interest_ = wanted;
  host_.loop->rewatch(socket_.descriptor(), id_, wanted);
}

void Handshake::close() {
  if (over_) return;
  over_ = true;
  leave_limits();
  session_.reset();
  socket_.close();
  set_timer(EventLoop::kNever);
  host_.closed(id_);
}

}  // namespace certline::server
