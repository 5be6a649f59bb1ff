// Every thread has a socket of its own on each TCP port, and the kernel spreads the clients. A Unix
// socket cannot be shared like that, so the first thread has it. Next: server_thread.cpp.
#include "daemon/server/server.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
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
  std::vector<std::shared_ptr<Inbox>> inboxes;
  for (const auto& thread : threads_) inboxes.push_back(thread->inbox);
  service.parts().store.after_each_commit([inboxes = std::move(inboxes)] {
    for (const auto& inbox : inboxes) inbox->wake();
  });
}

Server::~Server() {
  remove_socket_file();
}

void Server::remove_socket_file() {
  if (!socket_file_.empty()) ::unlink(std::exchange(socket_file_, {}).c_str());
}

Result<std::vector<Bound>> Server::start() {
  std::vector<Bound> all;
  for (const WantedPort& wanted : wanted_ports(settings_->config)) {
    auto bound = claim_port(wanted);
    if (!bound) return bound.error();
    for (auto& thread : threads_) {
      if (auto listens = thread->listen(*bound); !listens) return listens.error();
    }
    all.push_back(*bound);
  }
  if (wants_local_socket(settings_->config)) {
    const Bound local{Wire::socket, {}, settings_->config.line.socket};
    if (auto listens = threads_.front()->listen(local); !listens) return listens.error();
    socket_file_ = local.path;
    all.push_back(local);
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
  for (auto& thread : threads_) boost::asio::post(thread->io, beat);
}

void Server::drain(std::chrono::milliseconds most) {
  const auto until = std::chrono::steady_clock::now() + most;
  remove_socket_file();
  for (auto& thread : threads_) thread->begin_drain();
  for (auto& thread : threads_) thread->wait_idle(until);
  for (auto& thread : threads_) thread->stop();
}

}  // namespace certline::server
