// The server's TLS ports and its Unix socket on real sockets: limits, certificates replaced under
// load, which user is an administrator. Also runs under TSan.
#include <fcntl.h>
#include <sys/un.h>

#include <filesystem>
#include <thread>

#include "daemon/server/listeners.hpp"
#include "daemon/server/server.hpp"
#include "tests/unit/daemon/server/tls_fixture.hpp"
#include "tests/unit/daemon/service/service_fixture.hpp"

using namespace certline;
using namespace certline::runtime;
using namespace certline::server;
using namespace certline::service;

namespace {

Config tls_test_config(const std::string& directory) {
  const ListenAddress any_port{IpAddress::v4(0x7f000001), 0};
  const TlsPair pair(directory, "first");
  Config config;
  config.line.listen = {any_port};
  config.line.listen_tls = {any_port};
  config.line.socket = directory + "/line.sock";
  config.line.threads = 2;
  config.http.listen.clear();
  config.http.listen_tls = {any_port};
  config.tls.certificate = pair.certificate;
  config.tls.key = pair.key;
  return config;
}

struct TlsServerFixture {
  TemporaryDirectory files;
  ServiceFixture service;
  std::vector<Bound> bound;
  std::unique_ptr<Server> server;

  explicit TlsServerFixture(const std::function<void(Config&)>& adapt = [](Config&) {})
      : service(adapted(adapt)) {
    const auto& tls = service.settings->config.tls;
    auto identity = TlsIdentity::load(tls.certificate, tls.key);
    REQUIRE(identity.has_value());
    server = std::make_unique<Server>(*service.service, service.log, service.gauges,
                                      service.settings, *identity);
    auto started = server->start();
    REQUIRE(started.has_value());
    bound = *started;
  }

  Config adapted(const std::function<void(Config&)>& adapt) {
    Config config = tls_test_config(files.path);
    adapt(config);
    return config;
  }
  std::uint16_t port(Wire wire) const {
    for (const Bound& each : bound) {
      if (each.wire == wire) return each.address.port;
    }
    FAIL("no such listener");
    return 0;
  }
};

// A whole record, but of a ClientHello of which more would have to come.
const std::string kFirstOfTwo =
    std::string("\x16\x03\x01\x00\x24\x01\x00\x02\x00\x03\x03", 11) + std::string(30, '\0');

class PlainClient {
 public:
  explicit PlainClient(std::uint16_t port, std::string_view text)
      : descriptor_(TlsPeer::connected_to(port)) {
    REQUIRE(::send(descriptor_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  }
  ~PlainClient() { ::close(descriptor_); }
  PlainClient(const PlainClient&) = delete;
  PlainClient& operator=(const PlainClient&) = delete;
  // Until the server closes.
  std::string rest() {
    std::string all;
    char some[1000];
    for (ssize_t got = ::recv(descriptor_, some, sizeof some, 0); got > 0;
         got = ::recv(descriptor_, some, sizeof some, 0)) {
      all.append(some, static_cast<std::size_t>(got));
    }
    return all;
  }
  bool closed() {
    char one;
    const ssize_t got = ::recv(descriptor_, &one, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN);
  }

 private:
  int descriptor_;
};

std::string ask_locally(const std::string& path, std::string_view request) {
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::send(descriptor, request.data(), request.size(), 0) ==
          static_cast<ssize_t>(request.size()));
  ::shutdown(descriptor, SHUT_WR);
  std::string all;
  char some[1000];
  for (ssize_t got = ::recv(descriptor, some, sizeof some, 0); got > 0;
       got = ::recv(descriptor, some, sizeof some, 0)) {
    all.append(some, static_cast<std::size_t>(got));
  }
  ::close(descriptor);
  return all;
}

}  // namespace

TEST_CASE("the line protocol over TLS") {
  TlsServerFixture f;
  TlsPeer client(TlsPeer::connected_to(f.port(Wire::line_tls)));
  REQUIRE(client.handshake());
  std::string requests;
  for (int i = 0; i < 200; ++i) requests += "command ping\n";
  REQUIRE(client.send(requests + "command help\n"));
  const std::string replies = client.receive_until("command");
  std::size_t pongs = 0;
  for (auto at = replies.find("pong"); at != replies.npos; at = replies.find("pong", at + 1))
    ++pongs;
  CHECK(pongs == 200);
}

TEST_CASE("HTTP over TLS") {
  TlsServerFixture f;
  TlsPeer client(TlsPeer::connected_to(f.port(Wire::https)));
  REQUIRE(client.handshake());
  REQUIRE(client.send("GET /api/ping HTTP/1.1\r\nHost: certline.test\r\n\r\n"));
  CHECK(client.receive_until("\r\n\r\n").rfind("HTTP/1.1 200 ", 0) == 0);
}

TEST_CASE("half a ClientHello ends at its deadline, plain text at once") {
  TlsServerFixture f([](Config& c) { c.tls.handshakes.deadline = std::chrono::milliseconds(50); });
  for (const std::string& text : {std::string("\x16"), kFirstOfTwo.substr(0, 20), kFirstOfTwo}) {
    CHECK(PlainClient(f.port(Wire::line_tls), text).rest().empty());
  }
  CHECK(PlainClient(f.port(Wire::line_tls), "help\n").rest().rfind("status error 400 ", 0) == 0);
  CHECK(PlainClient(f.port(Wire::https), "GET / HTTP/1.1\r\n").rest().empty());
  while (f.service.gauges.connections > 0) std::this_thread::yield();
}

TEST_CASE("a ClientHello in pieces is put together by the kernel") {
  TlsServerFixture f;
  const int descriptor = TlsPeer::connected_to(f.port(Wire::line_tls));
  // The client writes to one end of a pair, and what it says is passed on byte by byte.
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
  TlsPeer client(ends[0]);
  CHECK_FALSE(client.handshake());
  std::string hello(4096, '\0');
  hello.resize(static_cast<std::size_t>(::recv(ends[1], hello.data(), hello.size(), 0)));
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
  for (const char byte : hello) REQUIRE(::send(descriptor, &byte, 1, 0) == 1);
  std::string answer(16384, '\0');
  const ssize_t got = ::recv(descriptor, answer.data(), answer.size(), 0);
  REQUIRE(got > 5);
  CHECK(answer[0] == '\x16');  // ServerHello
  ::close(descriptor);
  ::close(ends[1]);
}

TEST_CASE("handshakes over the limits are refused, of one source and altogether") {
  SECTION("per source") {
    TlsServerFixture f([](Config& c) {
      c.rates.exempt_loopback = false;
      c.tls.handshakes.per_source = 2;
    });
    PlainClient one(f.port(Wire::https), kFirstOfTwo), two(f.port(Wire::https), kFirstOfTwo),
        three(f.port(Wire::https), kFirstOfTwo);
    while (!one.closed() && !two.closed() && !three.closed()) std::this_thread::yield();
    CHECK(one.closed() + two.closed() + three.closed() == 1);
  }
  SECTION("altogether, of loopback, too") {
    TlsServerFixture f([](Config& c) { c.tls.handshakes.in_total = 1; });
    PlainClient one(f.port(Wire::https), kFirstOfTwo), two(f.port(Wire::https), kFirstOfTwo);
    while (!one.closed() && !two.closed()) std::this_thread::yield();
    CHECK(one.closed() + two.closed() == 1);
  }
}

TEST_CASE("certificates are exchanged under load, connections go on") {
  TlsServerFixture f;
  const TlsPair other(f.files.path, "second");
  const auto first = TlsIdentity::load(f.service.settings->config.tls.certificate,
                                       f.service.settings->config.tls.key);
  const auto second = other.identity();
  TlsPeer old(TlsPeer::connected_to(f.port(Wire::line_tls)));
  REQUIRE(old.handshake());
  CHECK(old.certificate() == (*first)->sha256());

  std::atomic<bool> over{false};
  std::atomic<int> good{0};
  std::vector<std::thread> clients;
  for (int t = 0; t < 3; ++t) {
    clients.emplace_back([&] {
      while (!over) {
        TlsPeer client(TlsPeer::connected_to(f.port(Wire::line_tls)));
        if (!client.handshake() || !client.send("command ping\n")) continue;
        if (client.receive_until("status").find("pong") != std::string::npos) ++good;
      }
    });
  }
  while (good < 20) {
    f.server->set_identity(*first);
    f.server->set_identity(second);
    std::this_thread::yield();
  }
  over = true;
  for (auto& client : clients) client.join();
  TlsPeer fresh(TlsPeer::connected_to(f.port(Wire::line_tls)));
  REQUIRE(fresh.handshake());
  CHECK(fresh.certificate() == second->sha256());
  REQUIRE(old.send("command ping\n"));
  CHECK(old.receive_until("status").find("pong") != std::string::npos);
  f.server->drain(std::chrono::seconds(10));
  CHECK(old.receive().empty());
}

TEST_CASE("on the Unix socket the daemon's own user is an administrator") {
  TlsServerFixture f;
  const std::string path = f.service.settings->config.line.socket;
  CHECK(ask_locally(path, "command ping").find("data pong") == 0);
  CHECK(ask_locally(path, "command accounts\n").find("status ok 200") != std::string::npos);
  PlainClient by_port(f.port(Wire::line), "command accounts\n");
  std::thread drain([&] { f.server->drain(std::chrono::seconds(10)); });
  CHECK(by_port.rest().find("status ok") == std::string::npos);
  drain.join();
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a Unix socket takes the place of a dead one only") {
  const TemporaryDirectory dir;
  const std::string path = dir.path + "/line.sock";
  boost::asio::io_context io;
  {
    const auto first = listen_locally(io, path);
    REQUIRE(first.has_value());
    CHECK(listen_locally(io, path).has_error());
  }
  // As after SIGKILL: the socket is gone, its file is not.
  REQUIRE(std::filesystem::exists(path));
  {
    const auto second = listen_locally(io, path);
    REQUIRE(second.has_value());
    CHECK((std::filesystem::status(path).permissions() & std::filesystem::perms::all) ==
          std::filesystem::perms(0666));
  }
  std::filesystem::remove(path);
  std::ofstream(path) << "a file";
  const auto refused = listen_locally(io, path);
  REQUIRE(refused.has_error());
  CHECK(refused.error().detail.find("change line.socket") != std::string::npos);
  CHECK(std::filesystem::is_regular_file(path));
  CHECK(listen_locally(io, dir.path + "/" + std::string(120, 'x')).has_error());
  CHECK(listen_locally(io, dir.path + "/nowhere/line.sock").has_error());
}
