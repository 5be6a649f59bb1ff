#pragma once
// Where guests come in: a TCP port for each wire, and a Unix socket. Only opening and closing; who
// accepts is a server thread.

#include <string>
#include <string_view>
#include <vector>

#include "daemon/runtime/config.hpp"
#include "daemon/server/socket.hpp"

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

// One of several sockets that share a claimed port, each for a thread.
Result<Socket> listening_socket(const Bound& bound);

// The Unix socket, open to every user of this machine: who asks is known by his uid. Its file goes
// with it.
class LocalSocket {
 public:
  // A file that nobody listens on any more is replaced. Errors (unavailable): somebody does, the
  // directory is missing, ...
  static Result<LocalSocket> listen(const std::string& path);
  ~LocalSocket();
  LocalSocket(LocalSocket&& other) noexcept
      : socket_(std::move(other.socket_)), path_(std::exchange(other.path_, {})) {}
  LocalSocket(const LocalSocket&) = delete;
  LocalSocket& operator=(const LocalSocket&) = delete;

  Socket take() { return std::move(socket_); }
  const std::string& path() const { return path_; }

 private:
  LocalSocket(Socket socket, std::string path)
      : socket_(std::move(socket)), path_(std::move(path)) {}
  Socket socket_;
  std::string path_;
};

// Is it worth trying? The default path is not where the service's directory doesn't exist.
bool wants_local_socket(const runtime::Config& config);

}  // namespace certline::server
