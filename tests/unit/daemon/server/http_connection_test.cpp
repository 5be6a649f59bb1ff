// HTTP connections of a real server on loopback: order, framing errors, deadlines, limits, waits,
// remembered answers. Also runs under TSan.
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>
#include <map>
#include <thread>
#include <vector>

#include "daemon/server/http/answer.hpp"
#include "daemon/server/server.hpp"
#include "tests/unit/daemon/service/service_fixture.hpp"

using namespace certline;
using namespace certline::runtime;
using namespace certline::server;
using namespace certline::server::http;
using namespace certline::service;
namespace asio = boost::asio;

namespace {

struct Answer {
  int status = 0;  // 0: the connection ended instead
  std::map<std::string, std::string> fields;
  std::string body;
};

class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(io_) {
    socket_.connect({asio::ip::address_v4::loopback(), port});
  }
  void send(std::string_view text) {
    boost::system::error_code gone;
    asio::write(socket_, asio::buffer(text), gone);
  }
  void reset() {
    socket_.set_option(asio::socket_base::linger(true, 0));
    socket_.close();
  }
  void half_close() { socket_.shutdown(asio::socket_base::shutdown_send); }

  // The next answer; one to HEAD has no body.
  Answer answer(bool to_head = false) {
    Answer got;
    boost::system::error_code ec;
    const std::size_t head =
        asio::read_until(socket_, asio::dynamic_buffer(buffer_), "\r\n\r\n", ec);
    if (ec) return got;
    std::string text = buffer_.substr(0, head);
    buffer_.erase(0, head);
    got.status = std::stoi(text.substr(9, 3));
    for (std::size_t at = text.find("\r\n") + 2; text.compare(at, 2, "\r\n") != 0;) {
      const std::size_t colon = text.find(": ", at), end = text.find("\r\n", at);
      got.fields[text.substr(at, colon - at)] = text.substr(colon + 2, end - colon - 2);
      at = end + 2;
    }
    const auto length = got.fields.find("Content-Length");
    if (to_head || length == got.fields.end()) return got;
    const std::size_t size = std::stoul(length->second);
    if (buffer_.size() < size) {
      asio::read(socket_, asio::dynamic_buffer(buffer_),
                 asio::transfer_exactly(size - buffer_.size()), ec);
    }
    got.body = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return got;
  }
  Answer ask(const std::string& request) {
    send(request);
    return answer();
  }

 private:
  asio::io_context io_;
  asio::ip::tcp::socket socket_;
  std::string buffer_;
};

Config http_config() {
  Config config;
  config.line.listen.clear();
  config.line.socket.clear();
  config.line.threads = 1;
  config.http.listen = {{IpAddress::v4(0x7f000001), 0}};
  return config;
}

struct HttpFixture : ServiceFixture {
  std::unique_ptr<Server> server;
  std::uint16_t port = 0;

  explicit HttpFixture(const Config& config = http_config()) : ServiceFixture(config) {
    server = std::make_unique<Server>(*service, log, gauges, settings);
    auto bound = server->start();
    REQUIRE(bound.has_value());
    port = bound->at(0).address.port;
  }

  void scan(const std::string& name, const std::string& leaf) {
    observe(name, 443, Starttls::none, seen({address("192.0.2.1", ScanState::ok, leaf)}));
  }
};

const std::string kFields = " HTTP/1.1\r\nHost: certline.example\r\n";

std::string get(const std::string& target, const std::string& fields = "") {
  return "GET " + target + kFields + fields + "\r\n";
}
std::string post(const std::string& target, const std::string& body) {
  return "POST " + target + kFields +
         "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}
std::string add(const std::string& name) {
  return post("/api/v1.0/servers/add", R"({"api_key":")" + kKey + R"(","domain":")" + name + "\"}");
}
std::string expiration(const std::string& name, const std::string& more = "") {
  return get("/api/v1.0/servers/expiration/" + name + "?api_key=" + kKey + more);
}

}  // namespace

TEST_CASE("an answer says what it is and that nobody keeps it") {
  HttpFixture f;
  Client client(f.port);
  const Answer got = client.ask(get("/api/ping"));
  CHECK(got.status == 200);
  CHECK(got.body == R"({"status":"success"})");
  CHECK(got.fields.at("Date") == "Fri, 15 Jan 2027 08:00:00 GMT");
  CHECK(got.fields.at("Server") == "certline");
  CHECK(got.fields.at("Content-Type") == "application/json; charset=utf-8");
  CHECK(got.fields.at("X-Content-Type-Options") == "nosniff");
  CHECK(got.fields.at("Cache-Control") == "no-store");
  CHECK(got.fields.count("Connection") == 0);
  CHECK(got.fields.count("Access-Control-Allow-Origin") == 0);
}

TEST_CASE("HEAD gets the length of GET and no body") {
  HttpFixture f;
  Client client(f.port);
  client.send("HEAD /api/ping" + kFields + "\r\n" + get("/api/ping"));
  const Answer head = client.answer(true);
  CHECK(head.status == 200);
  CHECK(head.fields.at("Content-Length") == std::to_string(client.answer().body.size()));
}

TEST_CASE("no body and no length with 204") {
  std::string text;
  HttpResponse response;
  response.status = 204;
  append_answer_rest(text, response, {});
  CHECK(text.find("\r\nContent-") == text.npos);
  CHECK(text.substr(text.size() - 4) == "\r\n\r\n");
}

TEST_CASE("requests behind each other are answered in order, writes among them") {
  HttpFixture f;
  Client client(f.port);
  std::string requests;
  for (int i = 0; i < 40; ++i) {
    const std::string name = "n" + std::to_string(i) + ".example.org";
    requests += add(name) + expiration(name);
  }
  client.send(requests);
  for (int i = 0; i < 40; ++i) {
    const std::string name = "n" + std::to_string(i) + ".example.org";
    const Answer added = client.answer();
    INFO(added.body);
    REQUIRE(added.body.find(name) != std::string::npos);
    const Answer read = client.answer();
    REQUIRE(read.status == 200);
    REQUIRE(read.body.find(name) != std::string::npos);
  }
}

TEST_CASE("the last of the allowed requests closes the connection") {
  Config config = http_config();
  config.http.limits.requests_per_connection = 3;
  HttpFixture f(config);
  Client client(f.port);
  client.send(get("/api/ping") + get("/api/ping") + get("/api/ping") + get("/api/ping"));
  CHECK(client.answer().fields.count("Connection") == 0);
  CHECK(client.answer().fields.count("Connection") == 0);
  CHECK(client.answer().fields.at("Connection") == "close");
  CHECK(client.answer().status == 0);
}

TEST_CASE("HTTP/1.0 closes unless it was asked not to") {
  HttpFixture f;
  {
    Client client(f.port);
    client.send("GET /api/ping HTTP/1.0\r\n\r\n" + get("/api/ping"));
    CHECK(client.answer().fields.at("Connection") == "close");
    CHECK(client.answer().status == 0);
  }
  Client client(f.port);
  client.send("GET /api/ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get("/api/ping"));
  CHECK(client.answer().fields.at("Connection") == "keep-alive");
  CHECK(client.answer().status == 200);
}

TEST_CASE("one answer to a framing error, and nothing behind it is served") {
  HttpFixture f;
  for (const std::string& bad : std::vector<std::string>{
           "POST /api/v1.0/servers/add" + kFields +
               "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
           "POST /api/v1.0/servers/add" + kFields +
               "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n",
           "GET /api/ping HTTP/1.1\r\n\r\n", "GET /api/ping" + kFields + " folded: x\r\n\r\n"}) {
    INFO(bad);
    Client client(f.port);
    client.send(get("/api/ping") + bad + add("smuggled.example.org") + get("/api/ping"));
    CHECK(client.answer().status == 200);
    const Answer refused = client.answer();
    CHECK(refused.status == 400);
    CHECK(refused.fields.at("Connection") == "close");
    CHECK(refused.fields.at("Content-Type").find("application/problem+json") == 0);
    CHECK(client.answer().status == 0);
  }
  CHECK(f.store->read().counts().watches == 0);
}

TEST_CASE("a body too long is refused before it is sent, and one that waits is asked for") {
  HttpFixture f;
  const std::string head =
      "POST /api/v1.0/servers/add" + kFields +
      "Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: ";
  {
    Client client(f.port);
    CHECK(client.ask(head + "102400\r\n\r\n").status == 413);
    CHECK(client.answer().status == 0);
  }
  const std::string body = R"({"api_key":")" + kKey + R"(","domain":"a.example.org"})";
  Client client(f.port);
  CHECK(client.ask(head + std::to_string(body.size()) + "\r\n\r\n").status == 100);
  CHECK(client.ask(body).status == 200);
}

TEST_CASE("who is slow is told so") {
  Config config = http_config();
  config.http.limits.head = std::chrono::milliseconds(20);
  config.http.limits.body_bytes_per_s = 100'000;
  HttpFixture f(config);
  SECTION("with a head") {
    Client client(f.port);
    CHECK(client.ask("GET /api/ping HTTP/1.1\r\nHo").status == 408);
    CHECK(client.answer().status == 0);
  }
  SECTION("with a body") {
    Client client(f.port);
    CHECK(client.ask("POST /a" + kFields + "Content-Length: 10\r\n\r\nabc").status == 408);
    CHECK(client.answer().status == 0);
  }
}

TEST_CASE("who says nothing is closed without a word") {
  Config config = http_config();
  SECTION("from the beginning") {
    config.http.limits.idle = std::chrono::milliseconds(20);
    HttpFixture f(config);
    Client silent(f.port);
    CHECK(silent.answer().status == 0);
  }
  SECTION("after an answer") {
    config.http.limits.idle = std::chrono::milliseconds(500);
    HttpFixture f(config);
    Client once(f.port);
    CHECK(once.ask(get("/api/ping")).status == 200);
    CHECK(once.answer().status == 0);
  }
}

TEST_CASE("half-close: what was asked is answered") {
  HttpFixture f;
  Client client(f.port);
  client.send(add("a.example.org") + expiration("a.example.org"));
  client.half_close();
  CHECK(client.answer().status == 200);
  CHECK(client.answer().status == 200);
  CHECK(client.answer().status == 0);
  Client half(f.port);
  half.send("GET /api/ping HTTP/1.1\r\nHo");
  half.half_close();
  CHECK(half.answer().status == 0);
}

TEST_CASE("a source that asks too often is told when to come back") {
  Config config = http_config();
  config.rates.exempt_loopback = false;
  config.rates.key_per_minute = 1;
  config.rates.key_burst = 2;
  HttpFixture f(config);
  Client client(f.port);
  CHECK(client.ask(add("a.example.org")).status == 200);
  CHECK(client.ask(expiration("a.example.org")).status == 200);
  const Answer refused = client.ask(expiration("a.example.org"));
  CHECK(refused.status == 429);
  CHECK(refused.body == R"({"message":"Too Many Attempts."})");
  CHECK(refused.fields.at("X-RateLimit-Limit") == "1");
  CHECK(refused.fields.at("X-RateLimit-Remaining") == "0");
  const int wait = std::stoi(refused.fields.at("Retry-After"));
  CHECK((wait > 0 && wait <= 60));
  CHECK(refused.fields.at("X-RateLimit-Reset") == std::to_string(HttpFixture::kStart + wait));
  CHECK(client.ask(get("/api/ping")).status == 200);  // the connection stays, and others may ask
}

TEST_CASE("an answer that is asked for again and again stays true") {
  HttpFixture f;
  Client client(f.port);
  REQUIRE(client.ask(add("a.example.org")).status == 200);
  f.scan("a.example.org", "first");
  const std::string first = hex(pki::sha256("first")), second = hex(pki::sha256("second"));
  for (int i = 0; i < 40; ++i) {
    REQUIRE(client.ask(expiration("a.example.org")).body.find(first) != std::string::npos);
  }
  f.scan("a.example.org", "second");
  const Answer renewed = client.ask(expiration("a.example.org"));
  CHECK(renewed.body.find(second) != std::string::npos);
  CHECK(renewed.body.find("\"expired_found\":false") != std::string::npos);
  for (int i = 0; i < 40; ++i) (void)client.ask(expiration("a.example.org"));
  f.time = HttpFixture::kStart + 80 * kDay;  // not a day is left
  const Answer expired = client.ask(expiration("a.example.org"));
  CHECK(expired.body.find("\"expired_found\":true") != std::string::npos);
  CHECK(expired.fields.at("Date") == "Mon, 05 Apr 2027 08:00:00 GMT");
}

TEST_CASE("a wait ends with the scan") {
  HttpFixture f;
  Client client(f.port);
  REQUIRE(client.ask(add("a.example.org")).status == 200);
  client.send(expiration("a.example.org", "&wait=30"));
  std::atomic<bool> answered{false};
  std::thread reader([&] {
    const Answer got = client.answer();
    CHECK(got.body.find("\"certificate_found\":true") != std::string::npos);
    answered = true;
  });
  f.scan("a.example.org", "leaf");
  const auto id = f.store->read().endpoints.named("a.example.org", 443, Starttls::none);
  while (!answered) {
    f.server->endpoint_scanned(*id);
    std::this_thread::yield();
  }
  reader.join();
  CHECK(client.ask(get("/api/ping")).status == 200);  // and the connection goes on
}

TEST_CASE("a client that is gone while it waits is not waited for") {
  HttpFixture f;
  Client client(f.port);
  REQUIRE(client.ask(add("a.example.org")).status == 200);
  client.send(expiration("a.example.org", "&wait=30"));
  Client another(f.port);  // accepted, and asked, behind it
  REQUIRE(another.ask(get("/api/ping")).status == 200);
  REQUIRE(f.gauges.connections == 2);
  client.reset();
  while (f.gauges.connections > 1) std::this_thread::yield();
  CHECK(another.ask(get("/api/ping")).status == 200);
}

TEST_CASE("a drain ends what is idle, what is half asked and what waits") {
  HttpFixture f;
  Client idle(f.port), half(f.port), waiting(f.port);
  REQUIRE(idle.ask(add("a.example.org")).status == 200);
  half.send("GET /api/ping HTTP/1.1\r\n");
  waiting.send(expiration("a.example.org", "&wait=30"));
  while (f.gauges.connections < 3) std::this_thread::yield();
  f.server->drain(std::chrono::seconds(10));
  CHECK(idle.answer().status == 0);
  CHECK(half.answer().status == 0);
  const Answer last = waiting.answer();
  CHECK((last.status == 0 || last.fields.at("Connection") == "close"));
}

TEST_CASE("answers that nobody reads hold up their own connection only") {
  HttpFixture f;
  Client greedy(f.port), other(f.port);
  std::thread writer([&] {
    std::string many;
    for (int i = 0; i < 99; ++i) many += get("/api/openapi.json");
    greedy.send(many);
  });
  for (int i = 0; i < 20; ++i) CHECK(other.ask(get("/api/ping")).status == 200);
  for (int i = 0; i < 99; ++i) {
    const Answer got = greedy.answer();
    REQUIRE(got.status == 200);
    REQUIRE(got.body.size() == std::stoul(got.fields.at("Content-Length")));
  }
  writer.join();
}
