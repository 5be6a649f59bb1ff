// The server on real loopback sockets: order, gathering, waits, limits, drain. Also runs under
// TSan.
#include "daemon/server/server.hpp"

#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>
#include <thread>

#include "tests/unit/daemon/service/service_fixture.hpp"

using namespace certline;
using namespace certline::runtime;
using namespace certline::server;
using namespace certline::service;
namespace asio = boost::asio;

namespace {

class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(io_) {
    socket_.connect({asio::ip::address_v4::loopback(), port});
  }
  void send(std::string_view text) { asio::write(socket_, asio::buffer(text)); }
  void half_close() { socket_.shutdown(asio::socket_base::shutdown_send); }
  // The next line without its LF; "" at the end of the stream.
  std::string line() {
    boost::system::error_code ec;
    const std::size_t size = asio::read_until(socket_, asio::dynamic_buffer(buffer_), '\n', ec);
    if (ec) return {};
    std::string text = buffer_.substr(0, size - 1);
    buffer_.erase(0, size);
    return text;
  }
  std::string ask(const std::string& request) {
    send(request + "\n");
    std::string reply = line();
    if (reply.rfind("data", 0) == 0) reply += "|" + line();
    return reply;
  }

 private:
  asio::io_context io_;
  asio::ip::tcp::socket socket_;
  std::string buffer_;
};

Config test_config() {
  Config config;
  config.line.listen = {{IpAddress::v4(0x7f000001), 0}};
  config.line.socket.clear();
  config.line.threads = 2;
  config.http.listen.clear();
  return config;
}

struct ServerFixture : ServiceFixture {
  std::unique_ptr<Server> server;
  std::uint16_t port = 0;

  explicit ServerFixture(const Config& config = test_config()) : ServiceFixture(config) {
    server = std::make_unique<Server>(*service, log, gauges, settings);
    auto bound = server->start();
    REQUIRE(bound.has_value());
    port = bound->at(0).address.port;
  }
};

}  // namespace

TEST_CASE("pipelined requests are answered in order, writes before the reads behind them") {
  ServerFixture f;
  Client client(f.port);
  std::string requests;
  for (int i = 0; i < 100; ++i) {
    requests += "command add apikey " + kKey + " domain n" + std::to_string(i) + ".example.org\r\n";
  }
  requests += "command expiration domain n99.example.org apikey " + kKey + "\ncommand ping\n";
  client.send(requests);
  for (int i = 0; i < 100; ++i) {
    const std::string data = client.line();
    INFO(data);
    REQUIRE(data.find("domain n" + std::to_string(i) + ".example.org") != std::string::npos);
    REQUIRE(client.line().rfind("status ok 200", 0) == 0);
  }
  CHECK(client.line().find("problem pending") != std::string::npos);
  CHECK(client.line().rfind("status ok 200", 0) == 0);
  CHECK(client.line() == "data pong");
}

TEST_CASE("half-close ends the last request, and the server closes after its answer") {
  ServerFixture f;
  Client client(f.port);
  client.send("command ping");
  client.half_close();
  CHECK(client.line() == "data pong");
  CHECK(client.line().rfind("status ok 200", 0) == 0);
  CHECK(client.line().empty());
}

TEST_CASE("silence ends an unterminated request") {
  ServerFixture f;
  Client client(f.port);
  client.send("command ping");
  CHECK(client.line() == "data pong");
}

TEST_CASE("wait answers when the scan is committed") {
  ServerFixture f;
  Client client(f.port);
  REQUIRE(client.ask("command add domain a.example.org apikey " + kKey).find("200") !=
          std::string::npos);
  client.send("command expiration domain a.example.org wait 30 apikey " + kKey + "\n");
  std::string answer;
  std::atomic<bool> answered{false};
  std::thread reader([&] {
    answer = client.line();
    answered = true;
  });
  // However the two interleave, the scan wakes the wait.
  f.observe("a.example.org", 443, Starttls::none,
            f.seen({f.address("192.0.2.1", ScanState::ok, "leaf")}));
  const auto id = f.store->read().endpoints.named("a.example.org", 443, Starttls::none);
  while (!answered) {
    f.server->endpoint_scanned(*id);
    std::this_thread::yield();
  }
  reader.join();
  CHECK(answer.find("problem none") != std::string::npos);
}

TEST_CASE("many clients at once lose nothing") {
  ServerFixture f;
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      Client client(f.port);
      for (int i = 0; i < 25; ++i) {
        const std::string name = "t" + std::to_string(t) + "-" + std::to_string(i) + ".example.org";
        const std::string reply = client.ask("command add domain " + name + " apikey " + kKey);
        if (reply.find("domain " + name) != std::string::npos) ++good;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(good == 200);
  CHECK(f.store->read().counts().watches == 200);
}

TEST_CASE("connections over the limits are told why and closed") {
  Config config = test_config();
  config.line.limits.connections_per_source = 2;
  config.line.limits.connections = 2;
  SECTION("per source") {
    config.line.limits.connections = 100;
    ServerFixture f(config);
    Client one(f.port), two(f.port);
    REQUIRE(one.ask("command ping").find("200") != std::string::npos);
    REQUIRE(two.ask("command ping").find("200") != std::string::npos);
    Client three(f.port);
    CHECK(three.line().rfind("status error 429", 0) == 0);
    CHECK(three.line().empty());
  }
  SECTION("altogether") {
    ServerFixture f(config);
    Client one(f.port), two(f.port);
    REQUIRE(one.ask("command ping").find("200") != std::string::npos);
    REQUIRE(two.ask("command ping").find("200") != std::string::npos);
    Client three(f.port);
    CHECK(three.line().rfind("status error 503", 0) == 0);
    CHECK(three.line().empty());
  }
}

TEST_CASE("a drain answers what is under way and ends every thread") {
  ServerFixture f;
  Client idle(f.port);
  REQUIRE(idle.ask("command add domain a.example.org apikey " + kKey).find("200") !=
          std::string::npos);
  Client waiting(f.port);
  waiting.send("command expiration domain a.example.org wait 30 apikey " + kKey + "\n");
  while (f.gauges.connections < 2) std::this_thread::yield();
  f.server->drain(std::chrono::seconds(10));
  const std::string last = waiting.line();
  CHECK((last.empty() || last.find("problem pending") != std::string::npos));
  CHECK(idle.line().empty());
}

TEST_CASE("a port that is served already is an error, not shared") {
  ServerFixture f;
  Config config = test_config();
  config.line.listen[0].port = f.port;
  Server second(*f.service, f.log, f.gauges, make_settings(config));
  const auto bound = second.start();
  REQUIRE(bound.has_error());
  CHECK(bound.error().detail.find("line.listen") != std::string::npos);
}

TEST_CASE("a reload takes effect for new connections") {
  ServerFixture f;
  Config config = test_config();
  config.registration = Registration::closed;
  f.server->reload(make_settings(config));
  std::string reply;
  do {
    Client client(f.port);
    reply = client.ask("command add domain r.example.org apikey ffffffffffffffff" +
                       std::to_string(f.counter++));
  } while (reply.find("405") == std::string::npos && f.counter < 1'000'000);
  CHECK(reply.find("405") != std::string::npos);
}

TEST_CASE("remembered answers are the same, and count against the limits like any other") {
  Config config = test_config();
  config.rates.exempt_loopback = false;
  config.rates.source_burst = 6;
  config.rates.source_per_minute = 1;
  ServerFixture f(config);
  Client client(f.port);
  REQUIRE(client.ask("command add domain a.example.org apikey " + kKey).find("ok 200") !=
          std::string::npos);
  f.observe("a.example.org", 443, Starttls::none,
            f.seen({f.address("192.0.2.1", ScanState::ok, "leaf")}));
  const std::string ask = "command expiration domain a.example.org apikey " + kKey;
  const std::string first = client.ask(ask);  // from the store, then from one memory or the other
  CHECK(first.find("problem none|status ok 200 nothing to do") != std::string::npos);
  for (int i = 0; i < 4; ++i) CHECK(client.ask(ask) == first);
  CHECK(client.ask(ask).find("status error 429") == 0);
}

TEST_CASE("nobody is told what was true before a change that was acknowledged") {
  ServerFixture f;
  const std::string name = " domain a.example.org apikey " + kKey;
  const auto work = [&](int rounds) {
    Client writer(f.port), reader(f.port);
    for (int i = 0; i < rounds; ++i) {
      if (writer.ask("command add" + name).find("ok 200") == std::string::npos) return i;
      for (int j = 0; j < 3; ++j) {
        if (reader.ask("command expiration" + name).find("ok 200") == std::string::npos) return i;
      }
      if (writer.ask("command remove" + name).find("ok 200") == std::string::npos) return i;
      for (int j = 0; j < 3; ++j) {
        if (reader.ask("command expiration" + name).find("status error 404") != 0) return i;
      }
    }
    return rounds;
  };
  CHECK(work(100) == 100);
}
