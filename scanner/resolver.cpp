// c-ares says which sockets it waits for and when it wants to be called; this file passes that to
// Asio. A and AAAA are separate queries, so that a failure of one differs from its absence. c-ares
// cannot cancel a single query, so an abandoned one runs into its own time-out, and then nothing
// waits for it. Next: dns_answer.cpp.

#include "scanner/resolver.hpp"

#include <ares.h>
#include <arpa/nameser.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <map>
#include <mutex>
#include <stdexcept>

#include "scanner/dns_answer.hpp"

namespace certline::scanner {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;

struct Answer {
  int status = ARES_ECANCELLED;
  const char* problem = nullptr;  // with the message, where its status is ARES_EBADRESP
  std::vector<IpAddress> addresses;
};

// One look-up in flight. Shared with c-ares, which may call back after everybody has gone.
struct Lookup {
  explicit Lookup(asio::io_context& context) : wake(context) {}
  Answer a, aaaa;
  int outstanding = 2;
  asio::steady_timer wake;  // the deadline, cancelled when both answers are here
};

struct Query {
  std::shared_ptr<Lookup> lookup;
  int family;
};

IpAddress from_bytes(int family, const void* bytes) {
  if (family == AF_INET) {
    std::uint32_t v4 = 0;
    std::memcpy(&v4, bytes, sizeof v4);
    return IpAddress::v4(ntohl(v4));
  }
  IpAddress address;
  std::memcpy(address.bytes.data(), bytes, address.bytes.size());
  return address;
}

// Called by C code, through which no exception can pass.
void on_answer(void* argument, int status, int, unsigned char* message, int size) noexcept {
  const std::unique_ptr<Query> query(static_cast<Query*>(argument));
  Lookup& lookup = *query->lookup;
  const bool v4 = query->family == AF_INET;
  Answer& answer = v4 ? lookup.a : lookup.aaaa;
  if (status == ARES_SUCCESS) {
    DnsAddresses read =
        read_dns_answer({message, static_cast<std::size_t>(size)}, v4 ? DnsType::a : DnsType::aaaa);
    answer.problem = read.problem;
    answer.addresses = std::move(read.addresses);
    if (answer.addresses.empty()) status = ARES_ENODATA;
    if (answer.problem != nullptr) status = ARES_EBADRESP;
  }
  answer.status = status;
  if (--lookup.outstanding == 0) lookup.wake.cancel();
}

bool says_no_address(int status) {
  return status == ARES_ENOTFOUND || status == ARES_ENODATA;
}

Resolved conclude(Lookup& lookup) {
  std::vector<IpAddress> found = std::move(lookup.a.addresses);
  found.insert(found.end(), lookup.aaaa.addresses.begin(), lookup.aaaa.addresses.end());
  if (!found.empty()) return {ScanState::ok, {}, choose_addresses(std::move(found))};
  if (lookup.outstanding > 0)
    return {ScanState::dns_error, "no answer from the resolver in time", {}};
  for (const Answer* answer : {&lookup.a, &lookup.aaaa}) {
    if (!says_no_address(answer->status)) {
      const char* why =
          answer->problem != nullptr ? answer->problem : ares_strerror(answer->status);
      return {ScanState::dns_error, fmt::format("DNS: {}", why), {}};
    }
  }
  const bool exists = lookup.a.status == ARES_ENODATA || lookup.aaaa.status == ARES_ENODATA;
  return {
      ScanState::no_address, exists ? "the name has no address" : "the name does not exist", {}};
}

// RFC 6761 6.3
bool is_localhost(std::string_view host) {
  return host == "localhost" || host.ends_with(".localhost");
}

void start_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
      throw std::runtime_error("c-ares cannot start");
    }
  });
}

std::string servers_csv(const std::vector<Resolver>& servers) {
  std::string csv;
  for (const Resolver& s : servers) {
    const char* form = s.address.is_v4() ? "{}{}:{}" : "{}[{}]:{}";
    csv += fmt::format(fmt::runtime(form), csv.empty() ? "" : ",", s.address.to_string(), s.port);
  }
  return csv;
}

}  // namespace

struct NameResolver::Channel : std::enable_shared_from_this<NameResolver::Channel> {
  struct Socket {
    explicit Socket(asio::io_context& context) : descriptor(context) {}
    asio::posix::stream_descriptor descriptor;
    bool read = false, write = false;                  // what c-ares waits for
    bool read_waiting = false, write_waiting = false;  // what Asio waits for
    bool closed = false;
  };

  explicit Channel(asio::io_context& c) : context(c), timer(c) {}

  asio::io_context& context;
  asio::steady_timer timer;
  ares_channel ares = nullptr;
  std::map<ares_socket_t, std::shared_ptr<Socket>> sockets;

  static void on_socket_state(void* self, ares_socket_t fd, int read, int write) noexcept {
    static_cast<Channel*>(self)->socket_state(fd, read != 0, write != 0);
  }

  void socket_state(ares_socket_t fd, bool read, bool write) {
    auto at = sockets.find(fd);
    if (!read && !write) {  // about to be closed, by c-ares
      if (at == sockets.end()) return;
      at->second->closed = true;
      at->second->descriptor.release();
      sockets.erase(at);
      return;
    }
    if (at == sockets.end()) {
      auto socket = std::make_shared<Socket>(context);
      error_code error;
      socket->descriptor.assign(fd, error);
      if (error) return;  // the query then runs into its time-out
      at = sockets.emplace(fd, std::move(socket)).first;
    }
    at->second->read = read;
    at->second->write = write;
    arm(at->second, fd);
  }

  void arm(const std::shared_ptr<Socket>& socket, ares_socket_t fd) {
    using Wait = asio::posix::stream_descriptor;
    if (socket->closed) return;
    if (socket->read && !std::exchange(socket->read_waiting, true)) {
      socket->descriptor.async_wait(
          Wait::wait_read, [this, self = weak_from_this(), socket, fd](const error_code& error) {
            socket->read_waiting = false;
            ready(self, socket, error, fd, ARES_SOCKET_BAD);
          });
    }
    if (socket->write && !std::exchange(socket->write_waiting, true)) {
      socket->descriptor.async_wait(
          Wait::wait_write, [this, self = weak_from_this(), socket, fd](const error_code& error) {
            socket->write_waiting = false;
            ready(self, socket, error, ARES_SOCKET_BAD, fd);
          });
    }
  }

  void ready(const std::weak_ptr<Channel>& weak, const std::shared_ptr<Socket>& socket,
             const error_code& error, ares_socket_t readable, ares_socket_t writable) {
    const auto self = weak.lock();
    if (!self || ares == nullptr || socket->closed || error) return;
    ares_process_fd(ares, readable, writable);
    arm(socket, readable != ARES_SOCKET_BAD ? readable : writable);
    arm_timer();
  }

  void arm_timer() {
    timeval space{};
    const timeval* next = ares_timeout(ares, nullptr, &space);
    if (next == nullptr) {
      timer.cancel();
      return;
    }
    timer.expires_after(std::chrono::seconds(next->tv_sec) +
                        std::chrono::microseconds(next->tv_usec) + std::chrono::milliseconds(1));
    timer.async_wait([weak = weak_from_this()](const error_code& error) {
      const auto self = weak.lock();
      if (error || !self || self->ares == nullptr) return;
      ares_process_fd(self->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
      self->arm_timer();
    });
  }

  void ask(const std::shared_ptr<Lookup>& lookup, const std::string& host, int type, int family) {
    auto query = std::make_unique<Query>(Query{lookup, family});
    ares_query(ares, host.c_str(), ns_c_in, type, on_answer, query.release());
  }

  std::vector<IpAddress> from_hosts_file(const std::string& host) {
    std::vector<IpAddress> found;
    for (const int family : {AF_INET, AF_INET6}) {
      hostent* entry = nullptr;
      if (ares_gethostbyname_file(ares, host.c_str(), family, &entry) != ARES_SUCCESS) continue;
      for (char** a = entry->h_addr_list; *a != nullptr; ++a) {
        found.push_back(from_bytes(family, *a));
      }
      ares_free_hostent(entry);
    }
    return found;
  }
};

NameResolver::NameResolver(asio::io_context& context, const std::vector<Resolver>& servers,
                           std::chrono::milliseconds timeout)
    : channel_(std::make_shared<Channel>(context)), timeout_(timeout), system_(servers.empty()) {
  start_library();
  constexpr int kTries = 3;  // each waits twice as long as the one before: 1 + 2 + 4 shares
  char lookups[] = "b";      // DNS; /etc/hosts is read here, and only in the system's case
  ares_options options{};
  options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS;
  options.timeout = static_cast<int>(std::max<std::int64_t>(timeout.count() / 7, 1));
  options.tries = kTries;
  options.ednspsz = 1232;
  options.lookups = lookups;
  options.sock_state_cb = Channel::on_socket_state;
  options.sock_state_cb_data = channel_.get();
  const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
                   ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
  int status = ares_init_options(&channel_->ares, &options, mask);
  if (status != ARES_SUCCESS) {
    channel_->ares = nullptr;
  } else if (!system_) {
    status = ares_set_servers_ports_csv(channel_->ares, servers_csv(servers).c_str());
    if (status != ARES_SUCCESS) ares_destroy(std::exchange(channel_->ares, nullptr));
  }
  if (status != ARES_SUCCESS) {
    throw std::runtime_error(std::string("the resolver cannot start: ") + ares_strerror(status));
  }
}

NameResolver::~NameResolver() {
  if (channel_->ares != nullptr) ares_destroy(channel_->ares);
  channel_->ares = nullptr;
  for (const auto& [fd, socket] : channel_->sockets) socket->descriptor.release();
  channel_->sockets.clear();
  channel_->timer.cancel();
}

asio::awaitable<Resolved> NameResolver::resolve(std::string host) {
  if (system_) {
    auto found = channel_->from_hosts_file(host);
    if (!found.empty()) co_return Resolved{ScanState::ok, {}, choose_addresses(std::move(found))};
  }
  if (is_localhost(host)) {
    IpAddress v6;
    v6.bytes.back() = 1;
    co_return Resolved{ScanState::ok, {}, choose_addresses({IpAddress::v4(0x7f000001), v6})};
  }
  const auto lookup = std::make_shared<Lookup>(channel_->context);
  channel_->ask(lookup, host, ns_t_a, AF_INET);
  channel_->ask(lookup, host, ns_t_aaaa, AF_INET6);
  channel_->arm_timer();
  if (lookup->outstanding > 0) {
    lookup->wake.expires_after(timeout_);
    const auto [error] = co_await lookup->wake.async_wait(asio::as_tuple(asio::use_awaitable));
    if (error && lookup->outstanding > 0) throw boost::system::system_error(error);
  }
  co_return conclude(*lookup);
}

std::vector<IpAddress> choose_addresses(std::vector<IpAddress> found) {
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  if (found.size() <= kAddressesPerName) return found;
  std::array<std::vector<IpAddress>, 2> families;
  for (const IpAddress& a : found) families[a.is_v4() ? 0 : 1].push_back(a);
  const std::size_t half = kAddressesPerName / 2;
  for (const std::size_t i : {0, 1}) {
    const std::size_t other = std::min(families[1 - i].size(), half);
    const std::size_t most = std::max(half, kAddressesPerName - other);
    if (families[i].size() > most) families[i].resize(most);
  }
  families[0].insert(families[0].end(), families[1].begin(), families[1].end());
  std::sort(families[0].begin(), families[0].end());
  return std::move(families[0]);
}

}  // namespace certline::scanner
