// Reads and writes that do not wait. Any error but "would block" ends the connection, so nobody
// needs to know which it was. stream_connection.cpp waits. Next: tls_session.cpp, for TLS.
#include "daemon/server/stream.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

namespace certline::server {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

Moved moved(const error_code& ec, std::size_t bytes) {
  if (!ec) return {Outcome::done, bytes};
  if (ec == asio::error::eof) return {Outcome::end, 0};
  return {ec == asio::error::would_block ? Outcome::would_block : Outcome::failed, 0};
}

}  // namespace

Moved Stream::read(std::span<char> into) {
  if (tls_) return tls_->read(into);
  error_code ec;
  const std::size_t bytes = socket_.read_some(asio::buffer(into.data(), into.size()), ec);
  return moved(ec, bytes);
}

Moved Stream::write(std::string_view bytes) {
  if (tls_) return tls_->write(bytes);
  error_code ec;
  const std::size_t sent = socket_.write_some(asio::buffer(bytes), ec);
  return moved(ec, sent);
}

void Stream::shut_writing() {
  if (tls_) tls_->end_writing();
  error_code ec;
  socket_.shutdown(Socket::shutdown_send, ec);
}

void Stream::close() {
  if (tls_) tls_->end_writing();
  tls_.reset();
  error_code ec;
  socket_.close(ec);
}

}  // namespace certline::server
