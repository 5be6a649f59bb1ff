#pragma once
// Where clients connect: a TCP port for each wire, and a Unix socket. It tells which ones a
// configuration asks for, and whether they are free. listeners.hpp opens them.

#include <string>
#include <string_view>
#include <vector>

#include "daemon/runtime/config.hpp"

namespace certline::server {

enum class Wire : std::uint8_t { line, line_tls, http, https, socket };

constexpr bool is_tls(Wire wire) {
  return wire == Wire::line_tls || wire == Wire::https;
}
constexpr bool is_http(Wire wire) {
  return wire == Wire::http || wire == Wire::https;
}
std::string_view wire_name(Wire wire);     // "line-tls", as the log says it
std::string_view wire_setting(Wire wire);  // "line.listen_tls"

struct Bound {
  Wire wire = Wire::line;
  runtime::ListenAddress address;  // with the port that port 0 became
  std::string path;                // of the Unix socket
  std::string to_string() const { return path.empty() ? address.to_string() : path; }
};

struct WantedPort {
  Wire wire;
  runtime::ListenAddress address;
};
// Every port of a configuration; those of TLS only where it has a certificate.
std::vector<WantedPort> wanted_ports(const runtime::Config& config);

// Finds out whether the port is free, and which one port 0 becomes. Errors (unavailable): somebody
// else serves it; the text names the setting.
Result<Bound> claim_port(const WantedPort& wanted);

// Is it worth trying? The default path is not where the service's directory doesn't exist.
bool wants_local_socket(const runtime::Config& config);

}  // namespace certline::server
