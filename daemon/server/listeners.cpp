// Accepted sockets inherit the options that are set here, once. server_thread.cpp accepts.
#include "daemon/server/listeners.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cerrno>
#include <cstring>

namespace certline::server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Local = asio::local::stream_protocol;
using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

// What the kernel keeps for a connection, each way. Left to itself it grows to megabytes for every
// client that doesn't read, which no limit of this process would see.
constexpr int kSocketBuffer = 64 * 1024;
constexpr int kBacklog = 4096;
constexpr mode_t kLocalSocketMode = 0666;

template <class Opened>
void start_listening(Opened& acceptor, error_code& ec) {
  acceptor.listen(kBacklog, ec);
  if (!ec) acceptor.non_blocking(true, ec);
  // Otherwise accept() waits for the next client instead of one that went away.
  if (!ec) acceptor.set_option(asio::socket_base::enable_connection_aborted(true), ec);
}

bool is_socket(const std::string& path) {
  struct stat about {};
  return ::lstat(path.c_str(), &about) == 0 && S_ISSOCK(about.st_mode);
}

bool somebody_listens(asio::io_context& io, const Local::endpoint& endpoint) {
  Local::socket probe(io);
  error_code ec;
  probe.open({}, ec);
  if (!ec) probe.non_blocking(true, ec);
  if (!ec) probe.connect(endpoint, ec);
  return ec != asio::error::connection_refused;
}

}  // namespace

tcp::endpoint tcp_endpoint(const runtime::ListenAddress& listen) {
  if (listen.address.is_v4()) {
    asio::ip::address_v4::bytes_type bytes;
    std::copy_n(listen.address.bytes.begin() + 12, 4, bytes.begin());
    return {asio::ip::address_v4(bytes), listen.port};
  }
  return {asio::ip::address_v6(listen.address.bytes), listen.port};
}

Error cannot_listen(Wire wire, const std::string& where, const std::string& why) {
  return {ErrorKind::unavailable,
          "cannot listen on " + where + ": " + why + "; change " + std::string(wire_setting(wire))};
}

Result<Acceptor> listen_at(asio::io_context& io, const Bound& bound) {
  tcp::acceptor acceptor(io);
  const tcp::endpoint endpoint = tcp_endpoint(bound.address);
  error_code ec;
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec) acceptor.set_option(ReusePort(true), ec);
  if (!ec && !bound.address.address.is_v4()) acceptor.set_option(asio::ip::v6_only(true), ec);
  // Accepted sockets inherit these.
  if (!ec) acceptor.set_option(asio::socket_base::receive_buffer_size(kSocketBuffer), ec);
  if (!ec) acceptor.set_option(asio::socket_base::send_buffer_size(kSocketBuffer), ec);
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec) start_listening(acceptor, ec);
  if (ec) return cannot_listen(bound.wire, bound.to_string(), ec.message());
  return Acceptor(std::move(acceptor));
}

Result<Acceptor> listen_locally(asio::io_context& io, const std::string& path) {
  const auto refuse = [&](const std::string& why) {
    return cannot_listen(Wire::socket, path, why);
  };
  if (path.size() >= sizeof asio::detail::sockaddr_un_type::sun_path) {
    return refuse("the path is too long");
  }
  const Local::endpoint endpoint(path);
  if (is_socket(path)) {
    if (somebody_listens(io, endpoint)) return refuse("another daemon listens there");
    ::unlink(path.c_str());
  }
  Local::acceptor acceptor(io);
  error_code ec;
  acceptor.open({}, ec);
  if (!ec) acceptor.set_option(asio::socket_base::send_buffer_size(kSocketBuffer), ec);
  if (!ec) acceptor.bind(endpoint, ec);
  if (ec) return refuse(ec.message());
  if (::chmod(path.c_str(), kLocalSocketMode) != 0) {
    ec.assign(errno, boost::system::system_category());
  }
  if (!ec) start_listening(acceptor, ec);
  if (!ec) return Acceptor(std::move(acceptor));
  ::unlink(path.c_str());
  return refuse(ec.message());
}

}  // namespace certline::server
