// Ports are claimed before they are shared. With SO_REUSEPORT alone, two daemons on one port would
// each get half of the clients. Next: listeners.cpp opens the claimed ports, once for each thread.
#include "daemon/server/ports.hpp"

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <filesystem>

#include "daemon/server/listeners.hpp"

namespace certline::server {
namespace {

struct WireFacts {
  std::string_view name, setting;
};
constexpr std::array<WireFacts, 5> kWires{{{"line", "line.listen"},
                                           {"line-tls", "line.listen_tls"},
                                           {"http", "http.listen"},
                                           {"https", "http.listen_tls"},
                                           {"socket", "line.socket"}}};

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
  boost::asio::io_context io;
  boost::asio::ip::tcp::acceptor probe(io);
  const auto endpoint = tcp_endpoint(wanted.address);
  boost::system::error_code ec;
  probe.open(endpoint.protocol(), ec);
  if (!ec) probe.set_option(boost::asio::socket_base::reuse_address(true), ec);
  if (!ec) probe.bind(endpoint, ec);
  if (ec) return cannot_listen(wanted.wire, wanted.address.to_string(), ec.message());
  return Bound{wanted.wire, {wanted.address.address, probe.local_endpoint().port()}, {}};
}

bool wants_local_socket(const runtime::Config& config) {
  if (config.line.socket.empty()) return false;
  if (config.line.socket != runtime::kDefaultSocket) return true;
  std::error_code ec;
  return std::filesystem::is_directory(std::filesystem::path(runtime::kDefaultSocket).parent_path(),
                                       ec);
}

}  // namespace certline::server
