// Ports are claimed before they are shared: with SO_REUSEPORT alone, two daemons on one port would
// each get half of the guests. The options that accepted sockets inherit are set here, once.
#include "daemon/server/listeners.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace certline::server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

// What the kernel keeps for a connection, each way. Left to itself it grows to megabytes for every
// client that doesn't read, which no limit of this process would see.
constexpr int kSocketBuffer = 64 * 1024;
constexpr int kBacklog = 4096;
constexpr mode_t kLocalSocketMode = 0666;

struct WireFacts {
  std::string_view name, setting;
};
constexpr std::array<WireFacts, 5> kWires{{{"line", "line.listen"},
                                           {"line-tls", "line.listen_tls"},
                                           {"http", "http.listen"},
                                           {"https", "http.listen_tls"},
                                           {"socket", "line.socket"}}};

tcp::endpoint to_asio(const runtime::ListenAddress& listen) {
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

// The address of a Unix socket; nullopt where the path doesn't fit.
std::optional<sockaddr_un> local_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return std::nullopt;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

bool is_socket(const std::string& path) {
  struct stat about {};
  return ::lstat(path.c_str(), &about) == 0 && S_ISSOCK(about.st_mode);
}

bool somebody_listens(const sockaddr_un& address) {
  const Socket probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int done =
      ::connect(probe.descriptor(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  return done == 0 || errno != ECONNREFUSED;
}

}  // namespace

std::string_view wire_name(Wire wire) {
  return kWires[static_cast<std::size_t>(wire)].name;
}

std::string_view wire_setting(Wire wire) {
  return kWires[static_cast<std::size_t>(wire)].setting;
}

std::vector<WantedPort> wanted_ports(const runtime::Config& config) {
  std::vector<WantedPort> wanted;
  const auto add = [&](Wire wire, const std::vector<runtime::ListenAddress>& addresses) {
    for (const runtime::ListenAddress& address : addresses) wanted.push_back({wire, address});
  };
  add(Wire::line, config.line.listen);
  if (config.tls.on()) add(Wire::line_tls, config.line.listen_tls);
  add(Wire::http, config.http.listen);
  if (config.tls.on()) add(Wire::https, config.http.listen_tls);
  return wanted;
}

Result<Bound> claim_port(const WantedPort& wanted) {
  asio::io_context io;
  tcp::acceptor probe(io);
  const tcp::endpoint endpoint = to_asio(wanted.address);
  error_code ec;
  probe.open(endpoint.protocol(), ec);
  if (!ec) probe.set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec) probe.bind(endpoint, ec);
  if (ec) return cannot_listen(wanted.wire, wanted.address.to_string(), ec.message());
  return Bound{wanted.wire, {wanted.address.address, probe.local_endpoint().port()}, {}};
}

Result<Socket> listening_socket(const Bound& bound) {
  asio::io_context io;
  tcp::acceptor acceptor(io);
  const tcp::endpoint endpoint = to_asio(bound.address);
  error_code ec;
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec) acceptor.set_option(ReusePort(true), ec);
  if (!ec && !bound.address.address.is_v4()) acceptor.set_option(asio::ip::v6_only(true), ec);
  // Accepted sockets inherit these.
  if (!ec) acceptor.set_option(asio::socket_base::receive_buffer_size(kSocketBuffer), ec);
  if (!ec) acceptor.set_option(asio::socket_base::send_buffer_size(kSocketBuffer), ec);
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec) acceptor.listen(kBacklog, ec);
  if (!ec) acceptor.native_non_blocking(true, ec);
  if (ec) return cannot_listen(bound.wire, bound.to_string(), ec.message());
  return Socket(acceptor.release());
}

Result<LocalSocket> LocalSocket::listen(const std::string& path) {
  const auto refuse = [&](const std::string& why) {
    return cannot_listen(Wire::socket, path, why);
  };
  const auto address = local_address(path);
  if (!address) return refuse("the path is too long");
  if (is_socket(path)) {
    if (somebody_listens(*address)) return refuse("another daemon listens there");
    ::unlink(path.c_str());
  }
  Socket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ::setsockopt(socket.descriptor(), SOL_SOCKET, SO_SNDBUF, &kSocketBuffer, sizeof kSocketBuffer);
  if (::bind(socket.descriptor(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) !=
      0) {
    return refuse(std::strerror(errno));
  }
  LocalSocket local(std::move(socket), path);
  if (::chmod(path.c_str(), kLocalSocketMode) != 0 ||
      ::listen(local.socket_.descriptor(), kBacklog) != 0) {
    return refuse(std::strerror(errno));
  }
  return local;
}

LocalSocket::~LocalSocket() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

bool wants_local_socket(const runtime::Config& config) {
  if (config.line.socket.empty()) return false;
  if (config.line.socket != runtime::kDefaultSocket) return true;
  std::error_code ec;
  return std::filesystem::is_directory(std::filesystem::path(runtime::kDefaultSocket).parent_path(),
                                       ec);
}

}  // namespace certline::server
