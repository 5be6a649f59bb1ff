// Accepts guests and owns them. When descriptors run out, accepting pauses instead of spinning; the
// kernel keeps the waiting clients in its queue.
#include "daemon/server/server_thread.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "daemon/server/handshake.hpp"
#include "daemon/server/http_connection.hpp"
#include "daemon/server/line_connection.hpp"
#include "protocol/line/render.hpp"

namespace certline::server {
namespace {

constexpr std::size_t kReadBuffer = 64 * 1024;
constexpr int kAcceptsPerTurn = 16;
constexpr std::chrono::milliseconds kAcceptPause{250};
constexpr rlim_t kDescriptorsKept = 1024;
constexpr EventLoop::Id kFirstConnection = 1 << 16;
constexpr std::uint32_t kLoopback = 0x7f000001;

// The first descriptor that no client may have: the last quarter is for scans, the resolver, the
// store and reloads. The kernel gives the lowest free number, so a new one tells how many are in
// use.
rlim_t first_kept_descriptor() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return RLIM_INFINITY;
  return files.rlim_cur - std::min(files.rlim_cur / 4, kDescriptorsKept);
}

IpAddress address_of(const sockaddr_storage& peer) {
  if (peer.ss_family == AF_INET) {
    return IpAddress::v4(ntohl(reinterpret_cast<const sockaddr_in&>(peer).sin_addr.s_addr));
  }
  IpAddress address;
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr;
  std::memcpy(address.bytes.data(), v6.s6_addr, address.bytes.size());
  return address;
}

// Of a Unix socket's client the kernel knows the user. Root may do everything anyhow, and the
// daemon's own user can read its store.
service::Caller local_caller(const Socket& socket) {
  service::Caller caller{IpAddress::v4(kLoopback)};
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket.descriptor(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return caller;
  caller.administrator = peer.uid == 0 || peer.uid == ::geteuid();
  if (caller.administrator) caller.uid = peer.uid;
  return caller;
}

}  // namespace

ServerThread::ServerThread(service::Service& s, runtime::Log& l, SourceLimits& limits,
                           runtime::Gauges& gauges, runtime::SettingsPtr settings,
                           TlsIdentityPtr identity)
    : ConnectionHost(s, l, limits),
      gauges_(gauges),
      settings_(std::move(settings)),
      identity_(std::move(identity)),
      first_kept_(first_kept_descriptor()),
      next_id_(kFirstConnection) {
  buffer_.resize(kReadBuffer);
  read_buffer = buffer_;
}

ServerThread::~ServerThread() {
  stop();
}

void ServerThread::run() {
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    loop->watch(listeners_[i].socket.descriptor(), i, {true});
  }
  thread_ = std::thread([this] { loop->run(*this); });
}

void ServerThread::stop() {
  loop->stop();
  if (thread_.joinable()) thread_.join();
  for (auto& [id, guest] : std::exchange(guests_, {})) guest.connection->close();
}

void ServerThread::wait_for(EndpointId endpoint, std::uint64_t connection) {
  waiting_count_.fetch_add(1);
  waiting_.emplace(endpoint, connection);
}

void ServerThread::stop_waiting(EndpointId endpoint, std::uint64_t connection) {
  const auto [first, last] = waiting_.equal_range(endpoint);
  const auto found =
      std::find_if(first, last, [&](const auto& entry) { return entry.second == connection; });
  if (found == last) return;
  waiting_.erase(found);
  waiting_count_.fetch_sub(1);
}

void ServerThread::closed(std::uint64_t id) {
  const auto found = guests_.find(id);
  if (found == guests_.end()) return;
  sources.disconnected(found->second.source);
  guests_.erase(found);
  gauges_.connections.fetch_sub(1);
  if (guests_.empty()) {
    const std::lock_guard lock(idle_mutex_);
    idle_ = true;
    idle_changed_.notify_all();
  }
}

void ServerThread::reload(runtime::SettingsPtr settings) {
  loop->post([this, settings = std::move(settings)]() mutable { settings_ = std::move(settings); });
}

void ServerThread::set_identity(TlsIdentityPtr identity) {
  loop->post([this, identity = std::move(identity)]() mutable { identity_ = std::move(identity); });
}

void ServerThread::endpoint_scanned(EndpointId endpoint) {
  if (waiting_count_.load() == 0) return;
  loop->post([this, endpoint] { wake(endpoint); });
}

void ServerThread::begin_drain() {
  loop->post([this] {
    listeners_.clear();
    const auto open = guests_;
    for (const auto& [id, guest] : open) guest.connection->drain();
    const std::lock_guard lock(idle_mutex_);
    idle_ = guests_.empty();
    draining_ = true;
    idle_changed_.notify_all();
  });
}

void ServerThread::wait_idle(std::chrono::steady_clock::time_point until) {
  std::unique_lock lock(idle_mutex_);
  idle_changed_.wait_until(lock, until, [this] { return draining_ && idle_; });
}

void ServerThread::on_ready(EventLoop::Id id, Readiness what) {
  if (id < listeners_.size()) return accept_some(id);
  if (const auto found = guests_.find(id); found != guests_.end()) {
    const auto connection = found->second.connection;
    connection->on_ready(what);
  }
}

void ServerThread::on_timer(EventLoop::Id id) {
  if (id < listeners_.size()) return loop->rewatch(listeners_[id].socket.descriptor(), id, {true});
  if (const auto found = guests_.find(id); found != guests_.end()) {
    const auto connection = found->second.connection;
    connection->on_timer();
  }
}

void ServerThread::on_turn_end() {
  if (!writes.empty()) service.parts().store.submit(std::exchange(writes, {}));
}

void ServerThread::accept_some(std::size_t index) {
  const Wire wire = listeners_[index].wire;
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    Socket socket(::accept4(listeners_[index].socket.descriptor(),
                            reinterpret_cast<sockaddr*>(&peer), &size,
                            SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.descriptor() >= 0) {
      const service::Caller caller =
          wire == Wire::socket ? local_caller(socket) : service::Caller{address_of(peer)};
      admit(wire, std::move(socket), caller);
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) break;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      return pause_accepting(index, std::strerror(errno));
    }
    // Whatever else: the peer went away in between.
  }
}

void ServerThread::pause_accepting(std::size_t index, std::string_view why) {
  log.write_limited(runtime::LogLevel::warning, "accept_paused", {{"reason", why}});
  loop->rewatch(listeners_[index].socket.descriptor(), index, {});
  loop->set_timer(index, EventLoop::kNever, EventLoop::Clock::now() + kAcceptPause);
}

void ServerThread::admit(Wire wire, Socket socket, const service::Caller& caller) {
  const LineLimits& limits = settings_->config.line.limits;
  const bool scarce = static_cast<rlim_t>(socket.descriptor()) >= first_kept_;
  if (gauges_.connections.fetch_add(1) >= limits.connections || scarce) {
    gauges_.connections.fetch_sub(1);
    return turn_away(wire, std::move(socket), caller.source,
                     {ErrorKind::unavailable, "too many connections; try again later"});
  }
  if (!sources.connected(caller.source, limits.connections_per_source)) {
    gauges_.connections.fetch_sub(1);
    return turn_away(wire, std::move(socket), caller.source,
                     {ErrorKind::too_many, "too many connections from here; close some", 10});
  }
  const std::uint64_t id = next_id_++;
  const auto guest = is_tls(wire) ? handshake(wire, std::move(socket), caller, id)
                                  : connection(wire, std::move(socket), caller, id);
  guests_.emplace(id, Guest{guest, caller.source});
  guest->start();
}

std::shared_ptr<Connection> ServerThread::connection(Wire wire, Socket socket,
                                                     const service::Caller& caller,
                                                     std::uint64_t id) {
  if (is_http(wire)) return make_http_connection(*this, std::move(socket), caller, id);
  return std::make_shared<LineConnection>(*this, std::move(socket), caller, id);
}

std::shared_ptr<Connection> ServerThread::handshake(Wire wire, Socket socket,
                                                    const service::Caller& caller,
                                                    std::uint64_t id) {
  auto secured = [this, wire, caller, id](Socket safe) {
    const auto guest = connection(wire, std::move(safe), caller, id);
    guests_.at(id).connection = guest;
    guest->start();
  };
  return std::make_shared<Handshake>(*this, identity_, wire, std::move(socket), caller, id,
                                     std::move(secured));
}

// Those of the line protocol are told why; HTTP and TLS clients take a closed connection for what
// it is.
void ServerThread::turn_away(Wire wire, Socket socket, const IpAddress& source, const Error& why) {
  log.write_limited(runtime::LogLevel::warning, "connection_refused",
                    {{"source", source.to_string()}, {"reason", error_name(why.kind)}});
  if (wire != Wire::line && wire != Wire::socket) return;
  (void)socket.read(buffer_);  // unread input would reset the answer away
  (void)socket.write(line::render_line(why));
  socket.shut_writing();
}

void ServerThread::wake(EndpointId endpoint) {
  const auto [first, last] = waiting_.equal_range(endpoint);
  std::vector<std::uint64_t> ids;
  for (auto it = first; it != last; ++it) ids.push_back(it->second);
  waiting_.erase(first, last);
  waiting_count_.fetch_sub(ids.size());
  for (const std::uint64_t id : ids) {
    if (const auto found = guests_.find(id); found != guests_.end()) {
      const auto connection = found->second.connection;
      connection->endpoint_scanned();
    }
  }
}

}  // namespace certline::server
