// Accepts connections and owns them, thread by thread. When descriptors run out, accepting pauses
// instead of spinning; the kernel keeps the waiting clients in its queue.
#include "daemon/line_server.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <thread>
#include <unordered_map>

#include "daemon/line_connection.hpp"
#include "protocol/command_table.hpp"

namespace certline::daemon {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

constexpr std::size_t kReadBuffer = 64 * 1024;
// What the kernel keeps for a connection, each way. Left to itself it grows to megabytes for every
// client that doesn't read, which no limit of this process would see.
constexpr int kSocketBuffer = 64 * 1024;
constexpr int kAcceptsPerTurn = 16;
constexpr std::chrono::milliseconds kAcceptPause{250};
constexpr unsigned kThreadsAtMost = 4;
constexpr rlim_t kDescriptorsKept = 1024;
constexpr EventLoop::Id kFirstConnection = 1 << 16;

tcp::endpoint to_asio(const ListenAddress& listen) {
  if (listen.address.is_v4()) {
    asio::ip::address_v4::bytes_type bytes;
    std::copy_n(listen.address.bytes.begin() + 12, 4, bytes.begin());
    return {asio::ip::address_v4(bytes), listen.port};
  }
  return {asio::ip::address_v6(listen.address.bytes), listen.port};
}

IpAddress from_asio(const asio::ip::address& address) {
  IpAddress result;
  if (address.is_v6()) {
    result.bytes = address.to_v6().to_bytes();
    return result;
  }
  return IpAddress::v4(address.to_v4().to_uint());
}

// The first descriptor that no client may have: the last quarter is for scans, the resolver, the
// store and reloads. The kernel gives the lowest free number, so a new one tells how many are in
// use.
rlim_t first_kept_descriptor() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return RLIM_INFINITY;
  return files.rlim_cur - std::min(files.rlim_cur / 4, kDescriptorsKept);
}

// Binds once without SO_REUSEPORT, so that a port somebody else serves is an error and not shared.
Result<ListenAddress> claim_port(const ListenAddress& wanted) {
  asio::io_context io;
  tcp::acceptor probe(io);
  const tcp::endpoint endpoint = to_asio(wanted);
  error_code ec;
  probe.open(endpoint.protocol(), ec);
  if (!ec) probe.set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec) probe.bind(endpoint, ec);
  if (ec) {
    return Error{ErrorKind::unavailable, "cannot listen on " + wanted.to_string() + ": " +
                                             ec.message() + "; change line.listen"};
  }
  return ListenAddress{wanted.address, probe.local_endpoint().port()};
}

// One of several sockets that share a port, each for a thread.
Result<Socket> listening_socket(const ListenAddress& address) {
  asio::io_context io;
  tcp::acceptor acceptor(io);
  const tcp::endpoint endpoint = to_asio(address);
  error_code ec;
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec) acceptor.set_option(ReusePort(true), ec);
  if (!ec && !address.address.is_v4()) acceptor.set_option(asio::ip::v6_only(true), ec);
  // Accepted sockets inherit these.
  if (!ec) acceptor.set_option(asio::socket_base::receive_buffer_size(kSocketBuffer), ec);
  if (!ec) acceptor.set_option(asio::socket_base::send_buffer_size(kSocketBuffer), ec);
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec) acceptor.listen(4096, ec);
  if (!ec) acceptor.native_non_blocking(true, ec);
  if (ec) {
    return Error{ErrorKind::unavailable,
                 "cannot listen on " + address.to_string() + ": " + ec.message()};
  }
  return Socket(acceptor.release());
}

}  // namespace

class ServerThread final : public ConnectionHost, private EventLoop::Listener {
 public:
  ServerThread(Service& s, Log& l, SourceLimits& limits, Gauges& gauges, SettingsPtr settings)
      : ConnectionHost(s, l, limits), gauges_(gauges), settings_(std::move(settings)) {
    buffer_.resize(kReadBuffer);
    read_buffer = buffer_;
  }

  ~ServerThread() override { stop(); }

  Result<void> listen(const ListenAddress& address) {
    auto socket = listening_socket(address);
    if (!socket) return socket.error();
    listeners_.push_back(std::move(*socket));
    return {};
  }

  void run() {
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
      loop->watch(listeners_[i].descriptor(), i, {true});
    }
    thread_ = std::thread([this] { loop->run(*this); });
  }

  void stop() {
    loop->stop();
    if (thread_.joinable()) thread_.join();
    for (auto& [id, guest] : std::exchange(guests_, {})) guest.connection->close();
  }

  const SettingsPtr& settings() const override { return settings_; }

  void wait_for(EndpointId endpoint, std::uint64_t connection) override {
    waiting_count_.fetch_add(1);
    waiting_.emplace(endpoint, connection);
  }

  void stop_waiting(EndpointId endpoint, std::uint64_t connection) override {
    const auto [first, last] = waiting_.equal_range(endpoint);
    const auto found =
        std::find_if(first, last, [&](const auto& entry) { return entry.second == connection; });
    if (found == last) return;
    waiting_.erase(found);
    waiting_count_.fetch_sub(1);
  }

  void closed(std::uint64_t id) override {
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

  // From any thread.
  void reload(SettingsPtr settings) {
    loop->post(
        [this, settings = std::move(settings)]() mutable { settings_ = std::move(settings); });
  }

  void endpoint_scanned(EndpointId endpoint) {
    if (waiting_count_.load() == 0) return;
    loop->post([this, endpoint] { wake(endpoint); });
  }

  void begin_drain() {
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

  void wait_idle(std::chrono::steady_clock::time_point until) {
    std::unique_lock lock(idle_mutex_);
    idle_changed_.wait_until(lock, until, [this] { return draining_ && idle_; });
  }

 private:
  struct Guest {
    std::shared_ptr<LineConnection> connection;
    IpAddress source;
  };

  // Listeners are known by their index, connections by higher numbers.
  void on_ready(EventLoop::Id id, Readiness what) override {
    if (id < listeners_.size()) return accept_some(id);
    if (const auto found = guests_.find(id); found != guests_.end()) {
      const auto connection = found->second.connection;
      connection->on_ready(what);
    }
  }

  void on_timer(EventLoop::Id id) override {
    if (id < listeners_.size()) return loop->rewatch(listeners_[id].descriptor(), id, {true});
    if (const auto found = guests_.find(id); found != guests_.end()) {
      const auto connection = found->second.connection;
      connection->on_timer();
    }
  }

  void on_turn_end() override {
    if (!writes.empty()) service.parts().store.submit(std::exchange(writes, {}));
  }

  void accept_some(std::size_t index) {
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
      tcp::endpoint peer;
      auto size = static_cast<socklen_t>(peer.capacity());
      const int descriptor = ::accept4(listeners_[index].descriptor(), peer.data(), &size,
                                       SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (descriptor >= 0) {
        peer.resize(size);
        admit(Socket(descriptor), from_asio(peer.address()));
        continue;
      }
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        return pause_accepting(index, std::strerror(errno));
      }
      // Whatever else: the peer went away in between.
    }
  }

  void pause_accepting(std::size_t index, std::string_view why) {
    log.write_limited(LogLevel::warning, "accept_paused", {{"reason", why}});
    loop->rewatch(listeners_[index].descriptor(), index, {});
    loop->set_timer(index, EventLoop::kNever, EventLoop::Clock::now() + kAcceptPause);
  }

  void admit(Socket socket, const IpAddress& source) {
    const LineLimits& limits = settings_->config.line.limits;
    const bool scarce = static_cast<rlim_t>(socket.descriptor()) >= first_kept_;
    if (gauges_.connections.fetch_add(1) >= limits.connections || scarce) {
      gauges_.connections.fetch_sub(1);
      return turn_away(socket, source,
                       {ErrorKind::unavailable, "too many connections; try again later"});
    }
    if (!sources.connected(source, limits.connections_per_source)) {
      gauges_.connections.fetch_sub(1);
      return turn_away(socket, source,
                       {ErrorKind::too_many, "too many connections from here; close some", 10});
    }
    const std::uint64_t id = next_id_++;
    const auto connection =
        std::make_shared<LineConnection>(*this, std::move(socket), Caller{source}, id);
    guests_.emplace(id, Guest{connection, source});
    connection->start();
  }

  void turn_away(const Socket& socket, const IpAddress& source, const Error& why) {
    log.write_limited(LogLevel::warning, "connection_refused",
                      {{"source", source.to_string()}, {"reason", error_name(why.kind)}});
    (void)socket.read(buffer_);  // unread input would reset the answer away
    (void)socket.write(render_line(why));
    socket.shut_writing();
  }

  void wake(EndpointId endpoint) {
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

  Gauges& gauges_;
  SettingsPtr settings_;
  const rlim_t first_kept_ = first_kept_descriptor();
  std::vector<char> buffer_;
  std::vector<Socket> listeners_;
  std::unordered_map<std::uint64_t, Guest> guests_;
  std::unordered_multimap<EndpointId, std::uint64_t> waiting_;
  std::atomic<std::size_t> waiting_count_{0};
  EventLoop::Id next_id_ = kFirstConnection;
  std::mutex idle_mutex_;
  std::condition_variable idle_changed_;
  bool idle_ = false, draining_ = false;
  std::thread thread_;
};

LineServer::LineServer(Service& service, Log& log, Gauges& gauges, SettingsPtr settings)
    : settings_(std::move(settings)) {
  unsigned count = settings_->config.line.threads;
  if (count == 0) {
    // The other half of the processors is for scans, the writer, and whoever asks from this
    // machine.
    count = std::clamp(std::thread::hardware_concurrency() / 2, 1u, kThreadsAtMost);
  }
  for (unsigned i = 0; i < count; ++i) {
    threads_.push_back(std::make_unique<ServerThread>(service, log, sources_, gauges, settings_));
  }
  std::vector<std::shared_ptr<EventLoop>> loops;
  for (const auto& thread : threads_) loops.push_back(thread->loop);
  service.parts().store.after_each_commit([loops = std::move(loops)] {
    for (const auto& loop : loops) loop->wake_for_work();
  });
}

LineServer::~LineServer() = default;

Result<std::vector<ListenAddress>> LineServer::start() {
  std::vector<ListenAddress> bound;
  for (const ListenAddress& wanted : settings_->config.line.listen) {
    auto address = claim_port(wanted);
    if (!address) return address.error();
    for (auto& thread : threads_) {
      if (auto listening = thread->listen(*address); !listening) return listening.error();
    }
    bound.push_back(*address);
  }
  for (auto& thread : threads_) thread->run();
  return bound;
}

void LineServer::reload(SettingsPtr settings) {
  for (auto& thread : threads_) thread->reload(settings);
}

void LineServer::endpoint_scanned(EndpointId endpoint) {
  for (auto& thread : threads_) thread->endpoint_scanned(endpoint);
}

void LineServer::heartbeat(const std::function<void()>& beat) {
  for (auto& thread : threads_) thread->loop->post(beat);
}

void LineServer::drain(std::chrono::milliseconds most) {
  const auto until = std::chrono::steady_clock::now() + most;
  for (auto& thread : threads_) thread->begin_drain();
  for (auto& thread : threads_) thread->wait_idle(until);
  for (auto& thread : threads_) thread->stop();
}

}  // namespace certline::daemon
