#pragma once
// One thread of the server: an io_context, its share of the listening sockets, and the connections
// that it accepted. A connection never leaves its thread, so it has no locks.

#include <sys/resource.h>

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "daemon/server/connection.hpp"
#include "daemon/server/listeners.hpp"
#include "daemon/server/stream.hpp"
#include "daemon/server/tls_identity.hpp"

namespace certline::server {

class ServerThread final : public ConnectionHost {
 public:
  ServerThread(service::Service& service, runtime::Log& log, SourceLimits& limits,
               runtime::Gauges& gauges, runtime::SettingsPtr settings, TlsIdentityPtr identity);
  ~ServerThread() override;

  // Before run().
  Result<void> listen(const Bound& bound);
  void run();
  void stop();

  // ConnectionHost, for the connections.
  const runtime::SettingsPtr& settings() const override { return settings_; }
  void await_turn_end() override;
  void read_later(std::shared_ptr<StreamConnection> connection) override;
  void wait_for(EndpointId endpoint, std::uint64_t connection) override;
  void stop_waiting(EndpointId endpoint, std::uint64_t connection) override;
  void closed(std::uint64_t id) override;

  // From any thread.
  void reload(runtime::SettingsPtr settings);
  void set_identity(TlsIdentityPtr identity);  // of handshakes to come
  void endpoint_scanned(EndpointId endpoint);
  void begin_drain();
  void wait_idle(std::chrono::steady_clock::time_point until);

 private:
  struct Listener {
    Wire wire;
    Acceptor acceptor;
    boost::asio::steady_timer pause;
  };
  struct Accepted {
    std::shared_ptr<Connection> connection;
    IpAddress source;
  };

  void await_client(Listener& listener);
  void accept_some(Listener& listener);
  void pause_accepting(Listener& listener, std::string_view why);
  void admit(Wire wire, Stream stream, const service::Caller& caller);
  std::shared_ptr<Connection> connection(Wire wire, Stream stream, const service::Caller& caller,
                                         std::uint64_t id);
  std::shared_ptr<Connection> handshake(Wire wire, Stream stream, const service::Caller& caller,
                                        std::uint64_t id);
  void turn_away(Wire wire, Stream stream, const IpAddress& source, const Error& why);
  void on_turn_end();
  void wake(EndpointId endpoint);

  runtime::Gauges& gauges_;
  runtime::SettingsPtr settings_;
  TlsIdentityPtr identity_;  // null where no port takes TLS
  const rlim_t first_kept_;
  std::vector<char> buffer_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::unordered_map<std::uint64_t, Accepted> connections_;
  std::uint64_t next_id_ = 1;
  bool turn_ends_ = false;  // on_turn_end() is queued
  std::vector<std::shared_ptr<StreamConnection>> readers_, reading_;
  std::unordered_multimap<EndpointId, std::uint64_t> waiting_;
  std::atomic<std::size_t> waiting_count_{0};
  std::mutex idle_mutex_;
  std::condition_variable idle_changed_;
  bool idle_ = false, draining_ = false;
  std::thread thread_;
};

}  // namespace certline::server
