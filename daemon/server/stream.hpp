#pragma once
// A connected, non-blocking socket of Asio's, plain or with TLS. It reads and writes at once, as
// far as that goes without waiting. Its owner waits.

#include <boost/asio/generic/stream_protocol.hpp>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "daemon/server/tls_session.hpp"

namespace certline::server {

class Stream {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;

  explicit Stream(Socket socket) : socket_(std::move(socket)) {}
  ~Stream() { close(); }
  Stream(Stream&&) = default;
  Stream& operator=(Stream&&) = delete;

  // With TLS, one read gives at most one record: read until it would block, and give it
  // kReadAtLeast bytes, so that nothing stays behind where no descriptor tells of it. After a
  // `would_block` of write(), the same bytes come first in the next write().
  static constexpr std::size_t kReadAtLeast = 16 * 1024;
  Moved read(std::span<char> into);
  Moved write(std::string_view bytes);
  // A read that would block may wait for room to write: TLS answers some messages by itself.
  bool read_waits_to_write() const { return tls_ && tls_->read_waits_to_write(); }

  void shut_writing();
  void close();
  bool is_open() const { return socket_.is_open(); }

  void secure(std::unique_ptr<TlsSession> tls) { tls_ = std::move(tls); }  // after its handshake
  bool is_secure() const { return tls_ != nullptr; }
  Socket& socket() { return socket_; }

 private:
  Socket socket_;
  std::unique_ptr<TlsSession> tls_;
};

}  // namespace certline::server
