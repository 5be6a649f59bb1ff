#pragma once
// The server for every wire: threads with an io_context each, which share the ports.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/server/ports.hpp"
#include "daemon/server/source_limits.hpp"
#include "daemon/server/tls_identity.hpp"
#include "daemon/service/service.hpp"

namespace certline::server {

class ServerThread;

class Server {
 public:
  // `identity`: where the configuration has a certificate.
  Server(service::Service& service, runtime::Log& log, runtime::Gauges& gauges,
         runtime::SettingsPtr settings, TlsIdentityPtr identity = nullptr);
  ~Server();  // closes what is left at once

  // Binds and starts the threads. Errors (unavailable): an address cannot be bound; nothing runs
  // then.
  Result<std::vector<Bound>> start();

  // Thread-safe, each takes effect soon.
  void reload(runtime::SettingsPtr settings);         // listeners and thread count stay as they are
  void set_identity(TlsIdentityPtr identity);         // of handshakes to come
  void endpoint_scanned(EndpointId endpoint);         // wakes `wait`s
  void heartbeat(const std::function<void()>& beat);  // runs `beat` once on every thread
  std::size_t thread_count() const { return threads_.size(); }

  // Stops accepting, answers what is under way, closes; at the latest after `most`. Blocks.
  void drain(std::chrono::milliseconds most);

 private:
  void remove_socket_file();

  runtime::SettingsPtr settings_;
  SourceLimits sources_;
  std::string socket_file_;  // of the Unix socket; goes with it
  std::vector<std::unique_ptr<ServerThread>> threads_;
};

}  // namespace certline::server
