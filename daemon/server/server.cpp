// Every thread has a socket of its own at each TCP port, and the kernel spreads the guests. A Unix
// socket cannot be shared like that: the first thread has it.
#include "daemon/server/server.hpp"

#include <algorithm>
#include <thread>

#include "daemon/server/server_thread.hpp"

namespace certline::server {
namespace {

constexpr unsigned kThreadsAtMost = 4;

}  // namespace

Server::Server(service::Service& service, runtime::Log& log, runtime::Gauges& gauges,
               runtime::SettingsPtr settings, TlsIdentityPtr identity)
    : settings_(std::move(settings)) {
  unsigned count = settings_->config.line.threads;
  if (count == 0) {
    // The other half of the processors is for scans, the writer, and whoever asks from this
    // machine.
    count = std::clamp(std::thread::hardware_concurrency() / 2, 1u, kThreadsAtMost);
  }
  for (unsigned i = 0; i < count; ++i) {
    threads_.push_back(
        std::make_unique<ServerThread>(service, log, sources_, gauges, settings_, identity));
  }
  std::vector<std::shared_ptr<EventLoop>> loops;
  for (const auto& thread : threads_) loops.push_back(thread->loop);
  service.parts().store.after_each_commit([loops = std::move(loops)] {
    for (const auto& loop : loops) loop->wake_for_work();
  });
}

Server::~Server() = default;

Result<std::vector<Bound>> Server::start() {
  std::vector<Bound> all;
  for (const WantedPort& wanted : wanted_ports(settings_->config)) {
    auto bound = claim_port(wanted);
    if (!bound) return bound.error();
    for (auto& thread : threads_) {
      auto socket = listening_socket(*bound);
      if (!socket) return socket.error();
      thread->listen(bound->wire, std::move(*socket));
    }
    all.push_back(*bound);
  }
  if (wants_local_socket(settings_->config)) {
    auto local = LocalSocket::listen(settings_->config.line.socket);
    if (!local) return local.error();
    threads_.front()->listen(Wire::socket, local->take());
    all.push_back({Wire::socket, {}, local->path()});
    local_.emplace(std::move(*local));
  }
  for (auto& thread : threads_) thread->run();
  return all;
}

void Server::reload(runtime::SettingsPtr settings) {
  for (auto& thread : threads_) thread->reload(settings);
}

void Server::set_identity(TlsIdentityPtr identity) {
  for (auto& thread : threads_) thread->set_identity(identity);
}

void Server::endpoint_scanned(EndpointId endpoint) {
  for (auto& thread : threads_) thread->endpoint_scanned(endpoint);
}

void Server::heartbeat(const std::function<void()>& beat) {
  for (auto& thread : threads_) thread->loop->post(beat);
}

void Server::drain(std::chrono::milliseconds most) {
  const auto until = std::chrono::steady_clock::now() + most;
  local_.reset();
  for (auto& thread : threads_) thread->begin_drain();
  for (auto& thread : threads_) thread->wait_idle(until);
  for (auto& thread : threads_) thread->stop();
}

}  // namespace certline::server
