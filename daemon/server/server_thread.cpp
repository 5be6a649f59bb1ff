// Accepts connections and owns them. When descriptors run out, it pauses instead of spinning;
// waiting clients stay in the kernel's queue. Work that connections ask for at the end of a turn is
// done in one handler, queued behind the connections that are ready. Next: stream_connection.cpp.
#include "daemon/server/server_thread.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>

#include "daemon/server/http_connection.hpp"
#include "daemon/server/line_connection.hpp"
#include "daemon/server/pending_handshake.hpp"
#include "protocol/line/render.hpp"

namespace certline::server {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t kReadBuffer = 64 * 1024;
constexpr int kAcceptsPerTurn = 16;
constexpr std::chrono::milliseconds kAcceptPause{250};
constexpr rlim_t kDescriptorsKept = 1024;
constexpr std::uint32_t kLoopback = 0x7f000001;

// The first descriptor that no client may have: the last quarter is for scans, the resolver, the
// store and reloads. The kernel gives the lowest free number, so a new one tells how many are in
// use.
rlim_t first_kept_descriptor() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return RLIM_INFINITY;
  return files.rlim_cur - std::min(files.rlim_cur / 4, kDescriptorsKept);
}

IpAddress address_of(const sockaddr* peer) {
  if (peer->sa_family == AF_INET) {
    return IpAddress::v4(ntohl(reinterpret_cast<const sockaddr_in*>(peer)->sin_addr.s_addr));
  }
  IpAddress address;
  const auto& v6 = reinterpret_cast<const sockaddr_in6*>(peer)->sin6_addr;
  std::memcpy(address.bytes.data(), v6.s6_addr, address.bytes.size());
  return address;
}

bool is_shortage(const error_code& ec) {
  return ec.value() == EMFILE || ec.value() == ENFILE || ec.value() == ENOBUFS ||
         ec.value() == ENOMEM;
}

// Of a Unix socket's client the kernel knows the user. Root may do everything anyhow, and the
// daemon's own user can read its store.
service::Caller local_caller(int descriptor) {
  service::Caller caller{IpAddress::v4(kLoopback)};
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return caller;
  caller.administrator = peer.uid == 0 || peer.uid == ::geteuid();
  if (caller.administrator) caller.uid = peer.uid;
  return caller;
}

}  // namespace

ConnectionHost::ConnectionHost(service::Service& s, runtime::Log& l, SourceLimits& limits)
    : io(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO),  // one thread does all its I/O, others only post
      inbox(std::make_shared<Inbox>(io)),
      service(s),
      log(l),
      sources(limits),
      recent(s.parts().store) {}

ServerThread::ServerThread(service::Service& s, runtime::Log& l, SourceLimits& limits,
                           runtime::Gauges& gauges, runtime::SettingsPtr settings,
                           TlsIdentityPtr identity)
    : ConnectionHost(s, l, limits),
      gauges_(gauges),
      settings_(std::move(settings)),
      identity_(std::move(identity)),
      first_kept_(first_kept_descriptor()) {
  buffer_.resize(kReadBuffer);
  read_buffer = buffer_;
}

ServerThread::~ServerThread() {
  stop();
}

Result<void> ServerThread::listen(const Bound& bound) {
  auto acceptor =
      bound.wire == Wire::socket ? listen_locally(io, bound.path) : listen_at(io, bound);
  if (!acceptor) return acceptor.error();
  listeners_.push_back(std::make_unique<Listener>(
      Listener{bound.wire, std::move(*acceptor), asio::steady_timer(io)}));
  return {};
}

void ServerThread::run() {
  for (const auto& listener : listeners_) await_client(*listener);
  thread_ = std::thread([this] {
    const auto stays = asio::make_work_guard(io);
    io.run();
  });
}

void ServerThread::stop() {
  inbox->close();
  io.stop();
  if (thread_.joinable()) thread_.join();
  for (auto& [id, accepted] : std::exchange(connections_, {})) accepted.connection->close();
}

// The end of a turn.

void ServerThread::read_later(std::shared_ptr<StreamConnection> connection) {
  readers_.push_back(std::move(connection));
  await_turn_end();
}

void ServerThread::await_turn_end() {
  if (std::exchange(turn_ends_, true)) return;
  asio::post(io, [this] { on_turn_end(); });
}

void ServerThread::on_turn_end() {
  turn_ends_ = false;
  if (!writes.empty()) service.parts().store.submit(std::exchange(writes, {}));
  reading_.swap(readers_);
  for (const auto& connection : reading_) connection->read_on();
  reading_.clear();
}

// Waits for scans.

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
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  sources.disconnected(found->second.source);
  connections_.erase(found);
  gauges_.connections.fetch_sub(1);
  if (connections_.empty()) {
    const std::lock_guard lock(idle_mutex_);
    idle_ = true;
    idle_changed_.notify_all();
  }
}

void ServerThread::reload(runtime::SettingsPtr settings) {
  asio::post(io,
             [this, settings = std::move(settings)]() mutable { settings_ = std::move(settings); });
}

void ServerThread::set_identity(TlsIdentityPtr identity) {
  asio::post(io,
             [this, identity = std::move(identity)]() mutable { identity_ = std::move(identity); });
}

void ServerThread::endpoint_scanned(EndpointId endpoint) {
  if (waiting_count_.load() == 0) return;
  asio::post(io, [this, endpoint] { wake(endpoint); });
}

void ServerThread::begin_drain() {
  asio::post(io, [this] {
    listeners_.clear();
    const auto open = connections_;
    for (const auto& [id, accepted] : open) accepted.connection->drain();
    const std::lock_guard lock(idle_mutex_);
    idle_ = connections_.empty();
    draining_ = true;
    idle_changed_.notify_all();
  });
}

void ServerThread::wait_idle(std::chrono::steady_clock::time_point until) {
  std::unique_lock lock(idle_mutex_);
  idle_changed_.wait_until(lock, until, [this] { return draining_ && idle_; });
}

// Accepting.

void ServerThread::await_client(Listener& listener) {
  listener.acceptor.async_wait(Acceptor::wait_read, [this, &listener](const error_code& ec) {
    if (!ec) accept_some(listener);
  });
}

void ServerThread::accept_some(Listener& listener) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    Stream::Socket socket(io);
    Acceptor::endpoint_type peer;
    error_code ec;
    listener.acceptor.accept(socket, peer, ec);
    if (!ec) socket.non_blocking(true, ec);
    if (!ec) {
      const bool local = listener.wire == Wire::socket;
      const auto caller =
          local ? local_caller(socket.native_handle()) : service::Caller{address_of(peer.data())};
      admit(listener.wire, Stream(std::move(socket)), caller);
    } else if (ec == asio::error::would_block) {
      break;
    } else if (is_shortage(ec)) {
      return pause_accepting(listener, ec.message());
    }  // whatever else: the peer went away in between
  }
  await_client(listener);
}

void ServerThread::pause_accepting(Listener& listener, std::string_view why) {
  log.write_limited(runtime::LogLevel::warning, "accept_paused", {{"reason", why}});
  listener.pause.expires_after(kAcceptPause);
  listener.pause.async_wait([this, &listener](const error_code& ec) {
    if (!ec) await_client(listener);
  });
}

void ServerThread::admit(Wire wire, Stream stream, const service::Caller& caller) {
  const LineLimits& limits = settings_->config.line.limits;
  const bool scarce = static_cast<rlim_t>(stream.socket().native_handle()) >= first_kept_;
  if (gauges_.connections.fetch_add(1) >= limits.connections || scarce) {
    gauges_.connections.fetch_sub(1);
    return turn_away(wire, std::move(stream), caller.source,
                     {ErrorKind::unavailable, "too many connections; try again later"});
  }
  if (!sources.connected(caller.source, limits.connections_per_source)) {
    gauges_.connections.fetch_sub(1);
    return turn_away(wire, std::move(stream), caller.source,
                     {ErrorKind::too_many, "too many connections from here; close some", 10});
  }
  const std::uint64_t id = next_id_++;
  const auto accepted = is_tls(wire) ? handshake(wire, std::move(stream), caller, id)
                                     : connection(wire, std::move(stream), caller, id);
  connections_.emplace(id, Accepted{accepted, caller.source});
  accepted->start();
}

std::shared_ptr<Connection> ServerThread::connection(Wire wire, Stream stream,
                                                     const service::Caller& caller,
                                                     std::uint64_t id) {
  if (is_http(wire)) {
    return std::make_shared<HttpConnection>(*this, std::move(stream), caller, id);
  }
  return std::make_shared<LineConnection>(*this, std::move(stream), caller, id);
}

std::shared_ptr<Connection> ServerThread::handshake(Wire wire, Stream stream,
                                                    const service::Caller& caller,
                                                    std::uint64_t id) {
  auto secured = [this, wire, caller, id](Stream safe) {
    const auto next = connection(wire, std::move(safe), caller, id);
    connections_.at(id).connection = next;
    next->start();
  };
  return std::make_shared<PendingHandshake>(*this, identity_, wire, std::move(stream), caller, id,
                                            std::move(secured));
}

// Those of the line protocol are told why; HTTP and TLS clients take a closed connection for what
// it is.
void ServerThread::turn_away(Wire wire, Stream stream, const IpAddress& source, const Error& why) {
  log.write_limited(runtime::LogLevel::warning, "connection_refused",
                    {{"source", source.to_string()}, {"reason", error_name(why.kind)}});
  if (wire != Wire::line && wire != Wire::socket) return;
  (void)stream.read(buffer_);  // unread input would reset the answer away
  (void)stream.write(line::render_line(why));
  stream.shut_writing();
}

void ServerThread::wake(EndpointId endpoint) {
  const auto [first, last] = waiting_.equal_range(endpoint);
  std::vector<std::uint64_t> ids;
  for (auto it = first; it != last; ++it) ids.push_back(it->second);
  waiting_.erase(first, last);
  waiting_count_.fetch_sub(ids.size());
  for (const std::uint64_t id : ids) {
    if (const auto found = connections_.find(id); found != connections_.end()) {
      const auto connection = found->second.connection;
      connection->endpoint_scanned();
    }
  }
}

}  // namespace certline::server
