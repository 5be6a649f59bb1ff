// The system calls of a socket. Interrupted ones are tried again; every other error ends the
// connection, so which one it was matters to nobody.
#include "daemon/server/socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "daemon/server/tls_session.hpp"

namespace certline::server {
namespace {

template <class Call>
Socket::Moved moved(const Call& call) {
  ssize_t count = call();
  while (count < 0 && errno == EINTR) count = call();
  if (count > 0) return {Socket::Outcome::done, static_cast<std::size_t>(count)};
  if (count == 0) return {Socket::Outcome::end, 0};
  const bool blocked = errno == EAGAIN || errno == EWOULDBLOCK;
  return {blocked ? Socket::Outcome::would_block : Socket::Outcome::failed, 0};
}

}  // namespace

Socket::Socket(int descriptor) : descriptor_(descriptor) {}

Socket::~Socket() {
  close();
}

Socket::Socket(Socket&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), tls_(std::move(other.tls_)) {}

void Socket::secure(std::unique_ptr<TlsSession> tls) {
  tls_ = std::move(tls);
}

bool Socket::tls_waits_to_write() const {
  return tls_->read_waits_to_write();
}

Socket::Moved Socket::read(std::span<char> into) const {
  if (tls_) return tls_->read(into);
  return moved([&] { return ::recv(descriptor_, into.data(), into.size(), 0); });
}

Socket::Moved Socket::write(std::string_view bytes) const {
  if (tls_) return tls_->write(bytes);
  return moved([&] { return ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL); });
}

void Socket::set_no_delay() const {
  const int on = 1;
  ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void Socket::shut_writing() const {
  if (tls_) tls_->end_writing();
  ::shutdown(descriptor_, SHUT_WR);
}

void Socket::close() {
  if (tls_) tls_->end_writing();
  tls_.reset();
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

}  // namespace certline::server
