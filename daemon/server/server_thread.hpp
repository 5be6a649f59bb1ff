#pragma once
// One thread of the server: an event loop, its share of the listeners, and the guests who came in
// by them. A guest never leaves his thread, so connections have no locks.

#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "daemon/server/connection.hpp"
#include "daemon/server/listeners.hpp"
#include "daemon/server/tls_identity.hpp"

namespace certline::server {

class ServerThread final : public ConnectionHost, private EventLoop::Listener {
 public:
  ServerThread(service::Service& service, runtime::Log& log, SourceLimits& limits,
               runtime::Gauges& gauges, runtime::SettingsPtr settings, TlsIdentityPtr identity);
  ~ServerThread() override;

  // Before run().
  void listen(Wire wire, Socket socket) { listeners_.push_back({wire, std::move(socket)}); }
  void run();
  void stop();

  // ConnectionHost, for the guests.
  const runtime::SettingsPtr& settings() const override { return settings_; }
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
  struct Door {
    Wire wire;
    Socket socket;
  };
  struct Guest {
    std::shared_ptr<Connection> connection;
    IpAddress source;
  };

  // Listeners are known by their index, connections by higher numbers.
  void on_ready(EventLoop::Id id, Readiness what) override;
  void on_timer(EventLoop::Id id) override;
  void on_turn_end() override;

  void accept_some(std::size_t index);
  void pause_accepting(std::size_t index, std::string_view why);
  void admit(Wire wire, Socket socket, const service::Caller& caller);
  std::shared_ptr<Connection> connection(Wire wire, Socket socket, const service::Caller& caller,
                                         std::uint64_t id);
  std::shared_ptr<Connection> handshake(Wire wire, Socket socket, const service::Caller& caller,
                                        std::uint64_t id);
  void turn_away(Wire wire, Socket socket, const IpAddress& source, const Error& why);
  void wake(EndpointId endpoint);

  runtime::Gauges& gauges_;
  runtime::SettingsPtr settings_;
  TlsIdentityPtr identity_;  // null where no listener takes TLS
  const rlim_t first_kept_;
  std::vector<char> buffer_;
  std::vector<Door> listeners_;
  std::unordered_map<std::uint64_t, Guest> guests_;
  std::unordered_multimap<EndpointId, std::uint64_t> waiting_;
  std::atomic<std::size_t> waiting_count_{0};
  EventLoop::Id next_id_;
  std::mutex idle_mutex_;
  std::condition_variable idle_changed_;
  bool idle_ = false, draining_ = false;
  std::thread thread_;
};

}  // namespace certline::server
