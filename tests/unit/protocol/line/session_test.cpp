// One connection step by step: framing, order, limits and deadlines, without a socket or a clock.
#include "protocol/line/session.hpp"

#include <catch2/catch.hpp>

#include "tests/unit/protocol/line/session_driver.hpp"

using namespace certline;
using namespace certline::line;
using namespace std::chrono_literals;
using test::Driver;

namespace {

const std::string kKey = "0123456789abcdef";
const std::string kPong = "status error 503 ping\n";

std::string add(const std::string& name) {
  return "command add domain " + name + " apikey " + kKey + "\n";
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("a request ends at LF, CR LF, silence or half-close") {
  Driver d;
  d.send("command ping\n");
  CHECK(d.taken() == kPong);
  d.send("command ping\r\n");
  CHECK(d.taken() == kPong);
  d.send("command ping");
  CHECK(d.taken().empty());
  CHECK(d.session.deadline() == d.now + 100ms);
  d.pass(99ms);
  CHECK(d.taken().empty());
  d.pass(1ms);
  CHECK(d.taken() == kPong);
  d.send("command ping");
  d.eof();
  CHECK(d.taken() == kPong);
  CHECK(d.session.closing());
  CHECK(d.session.close_reason() == "eof");
}

TEST_CASE("each byte starts the silence anew") {
  Driver d;
  for (const char c : std::string_view("command ping")) {
    d.send({&c, 1});
    d.pass(99ms);
    CHECK(d.taken().empty());
  }
  d.pass(1ms);
  CHECK(d.taken() == kPong);
}

TEST_CASE("blank lines, and line ends that come after silence, are passed over") {
  Driver d;
  d.send("\n\r\n \t \n");
  CHECK(d.taken().empty());
  d.send("command ping");
  d.pass(100ms);
  CHECK(d.taken() == kPong);
  d.send("\r\n");
  d.send("\n");
  d.send("  ");
  d.pass(1s);
  CHECK(d.taken().empty());
  d.send("command ping\n");
  CHECK(d.taken() == kPong);
}

TEST_CASE("half-close without a byte") {
  Driver d;
  d.eof();
  CHECK(d.taken().empty());
  CHECK(d.session.closing());
  CHECK_FALSE(d.session.wants_input());
}

TEST_CASE("wrong lines are answered in their turn and the connection goes on") {
  Driver d;
  d.send("command ping\nnonsense\ncommand ping\n");
  const std::string out = d.taken();
  CHECK(out.starts_with(kPong + "status error 400 unknown key \"nonsense\""));
  CHECK(out.ends_with("\n" + kPong));
  CHECK_FALSE(d.session.closing());
}

TEST_CASE("writes go together, anything else waits for those before it") {
  Driver d;
  d.hold = true;
  d.send(add("a.org") + add("b.org") + "nonsense\ncommand ping\n" + add("c.org"));
  REQUIRE(d.open.size() == 2);
  d.answer(1);  // out of order: nothing may be written yet
  CHECK(d.taken().empty());
  CHECK(d.open.size() == 2);
  d.answer(0);
  const std::string out = d.taken();
  CHECK(out.find("add a.org") < out.find("add b.org"));
  CHECK(out.find("add b.org") < out.find("nonsense"));
  REQUIRE(d.open.size() == 3);  // the ping, alone
  CHECK(d.executed.back() == "ping");
  d.answer(2);
  CHECK(d.taken() == kPong);
  REQUIRE(d.open.size() == 4);
  d.answer(3);
  CHECK_THAT(d.taken(), Catch::Contains("add c.org"));
}

TEST_CASE("a read under way holds back writes") {
  Driver d;
  d.hold = true;
  d.send("command ping\n" + add("a.org"));
  CHECK(d.open.size() == 1);
  d.answer(0);
  CHECK(d.open.size() == 2);
}

TEST_CASE("at most 64 writes are under way") {
  Driver d;
  d.hold = true;
  for (std::size_t i = 0; i < kPendingWrites + 10; ++i)
    d.send(add("n" + std::to_string(i) + ".org"));
  CHECK(d.open.size() == kPendingWrites);
  d.answer(0);
  CHECK(d.open.size() == kPendingWrites + 1);
}

TEST_CASE("a second or a foreign answer to a slot changes nothing") {
  Driver d;
  d.hold = true;
  d.send(add("a.org") + add("b.org"));
  d.answer(1);
  d.answer(1);
  d.session.on_reply(999, ReplyBody{Pong{}}, d.now);
  CHECK(d.taken().empty());
  d.answer(0);
  d.answer(0);
  CHECK(count(d.taken(), "status ") == 2);
}

TEST_CASE("a line of 16 KiB is taken, a longer one drained and answered") {
  const auto line = [](std::size_t size) {
    std::string text = "command ping";
    return text + std::string(size - text.size(), ' ');
  };
  for (const std::string end : {"\n", "\r\n"}) {
    Driver d;
    d.send(line(kLineBytes) + end);
    CHECK(d.taken() == kPong);
    d.send(line(kLineBytes + 1) + end + "command ping" + end);
    const std::string out = d.taken();
    CHECK(out.starts_with("status error 413 "));
    CHECK(out.ends_with("\n" + kPong));
  }
}

TEST_CASE("an endless line costs constant memory and ends with silence") {
  Driver d;
  d.send("command ping\n");
  d.taken();
  for (int i = 0; i < 2000; ++i) {
    d.send(std::string(1000, 'x'));
    REQUIRE(d.session.wants_input());
    REQUIRE(d.taken().empty());
  }
  d.pass(100ms);
  CHECK(count(d.taken(), "status error 413 ") == 1);
  d.send("\ncommand ping\n");
  CHECK(d.taken() == kPong);
}

TEST_CASE("reading pauses while requests wait, and silence doesn't count meanwhile") {
  Driver d;
  d.hold = true;
  d.send("command ping\n");
  std::size_t sent = 0;
  while (d.session.wants_input()) {
    d.send(add("a.org"));
    ++sent;
    REQUIRE(sent < 1000);
  }
  d.send("command pi");
  CHECK_FALSE(d.session.wants_input());
  d.pass(10s);
  CHECK(d.open.size() == 1);
  d.hold = false;
  d.answer(0);
  CHECK(d.session.wants_input());
  CHECK(d.executed.size() == sent + 1);
  d.pass(50ms);
  d.send("ng\n");
  CHECK(d.executed.back() == "ping");
  CHECK(d.taken().ends_with(kPong));
}

TEST_CASE("no request in time") {
  Driver d;
  d.pass(9'999ms);
  CHECK(d.taken().empty());
  d.pass(1ms);
  CHECK(d.taken() == "status error 503 no request within 10 s of connecting; connect again\n");
  CHECK(d.session.closing());
  CHECK(d.session.close_reason() == "no_request");
}

TEST_CASE("a drip doesn't put off the first request") {
  Driver d;
  for (int i = 0; i < 300 && !d.session.closing(); ++i) {
    d.send("x");
    d.pass(50ms);
  }
  CHECK(d.session.close_reason() == "no_request");
  CHECK(d.now <= Driver::TimePoint(std::chrono::hours(1)) + 10'050ms);
}

TEST_CASE("a later line has as long, from its first byte") {
  Driver d;
  d.send("command ping\n");
  d.pass(30s);
  d.taken();
  const auto start = d.now;
  while (!d.session.closing() && d.now < start + 60s) {
    d.send("x");
    d.pass(50ms);
  }
  CHECK(d.taken() == "status error 503 the line was not complete within 10 s; connect again\n");
  CHECK(d.session.close_reason() == "slow_line");
  CHECK(d.now - start <= 10'050ms);
}

TEST_CASE("idle counts from the last byte or reply, with nothing under way") {
  Driver d;
  d.send("command ping\n");
  d.pass(59s);
  d.send("\n");
  d.pass(59s);
  d.hold = true;
  d.send("command ping\n");
  d.taken();
  d.pass(200s);
  CHECK_FALSE(d.session.closing());
  d.answer(0);
  CHECK(d.taken() == kPong);
  d.pass(59'999ms);
  CHECK_FALSE(d.session.closing());
  d.pass(1ms);
  CHECK(d.taken() == "status error 503 no request for 60 s; connect again\n");
  CHECK(d.session.close_reason() == "idle");
  CHECK_FALSE(d.session.wants_input());
}

TEST_CASE("limits come from the configuration") {
  LineLimits limits;
  limits.quiet = 7ms;
  limits.first_request = 250ms;
  limits.idle = 1500ms;
  Driver d(limits);
  d.send("command ping");
  d.pass(7ms);
  CHECK(d.taken() == kPong);
  d.pass(1500ms);
  CHECK(d.taken() == "status error 503 no request for 1500 ms; connect again\n");
  Driver late(limits);
  late.pass(250ms);
  CHECK(late.session.close_reason() == "no_request");
}

TEST_CASE("a hundred malformed lines in a row end the connection") {
  Driver d;
  for (std::uint32_t i = 0; i + 1 < kMalformedInRow; ++i) d.send("x\n");
  d.send("command ping\n");  // starts the count anew
  for (std::uint32_t i = 0; i + 1 < kMalformedInRow; ++i) d.send("x\n");
  CHECK_FALSE(d.session.closing());
  d.taken();
  d.send("x\ncommand ping\n");
  CHECK_THAT(d.taken(), Catch::Contains("status error 400 100 malformed lines in a row"));
  CHECK(d.session.closing());
  CHECK(d.session.close_reason() == "malformed");
  CHECK(d.executed.size() == 1);
}

TEST_CASE("values that make no sense don't count as malformed") {
  Driver d;
  for (int i = 0; i < 300; ++i) d.send("command add domain 127.1 apikey " + kKey + "\n");
  CHECK_FALSE(d.session.closing());
  CHECK(count(d.taken(), "status error 422") == 300);
}

TEST_CASE("a peer that doesn't read is cut off, one that does is only slowed down") {
  Driver d;
  d.reads = false;
  for (int i = 0; i < 100'000 && d.session.wants_input(); ++i) d.send("command ping\n");
  CHECK_FALSE(d.session.wants_input());
  CHECK_FALSE(d.session.must_abort());
  const std::size_t done = d.executed.size();
  CHECK(done * kPong.size() >= LineLimits{}.unread_output_bytes);
  CHECK(done * kPong.size() < LineLimits{}.unread_output_bytes + kReplyBytes);

  SECTION("it never reads") {
    d.pass(kOutputStall - 1ms);
    CHECK_FALSE(d.session.must_abort());
    d.pass(1ms);
    CHECK(d.session.must_abort());
    CHECK(d.session.close_reason() == "unread_output");
    CHECK(d.session.deadline() == Driver::TimePoint::max());
  }
  SECTION("it reads slowly") {
    for (int i = 0; i < 100; ++i) {
      d.session.take_output();
      d.session.on_written(500);
      d.pump();
      d.pass(500ms);
      REQUIRE_FALSE(d.session.must_abort());
    }
  }
  SECTION("it reads all at once: the rest is executed") {
    d.reads = true;
    d.take_all();
    CHECK(d.executed.size() > done);
    CHECK(d.session.wants_input());
    CHECK(count(d.output, "status ") == d.executed.size());
  }
  SECTION("room in the output is due at once") {
    const std::string bytes = d.session.take_output();
    d.session.on_written(bytes.size());
    CHECK(d.session.deadline() <= d.now);
  }
}

TEST_CASE("few unread bytes that nobody takes end the connection after the idle time") {
  Driver d;
  d.reads = false;
  d.send("command ping\n");
  CHECK_FALSE(d.session.take_output().empty());
  d.pass(59'999ms);
  CHECK_FALSE(d.session.must_abort());
  d.pass(1ms);
  CHECK(d.session.must_abort());
}

TEST_CASE("shutdown answers what is under way and nothing else") {
  Driver d;
  d.hold = true;
  d.send(add("a.org") + "command ping\n");
  d.session.drain();
  CHECK_FALSE(d.session.closing());
  CHECK_FALSE(d.session.wants_input());
  d.answer(0);
  CHECK(count(d.taken(), "status ") == 1);
  CHECK(d.session.closing());
  CHECK(d.session.close_reason() == "shutdown");
  CHECK(d.executed.size() == 1);
}

TEST_CASE("half-close with requests under way: all are answered, then it closes") {
  Driver d;
  d.hold = true;
  d.send(add("a.org") + "command ping");
  d.eof();
  CHECK_FALSE(d.session.closing());
  d.answer(0);
  CHECK_FALSE(d.session.closing());
  d.answer(1);
  CHECK(d.taken().ends_with(kPong));
  CHECK(d.session.closing());
}

TEST_CASE("other protocols are shown the right port") {
  struct Row {
    std::string_view bytes;
    const char* reason;
    const char* port;
  };
  const Row rows[] = {
      {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "http", "port 10080"},
      {"POST /x HTTP/1.1\r\n\r\n", "http", "port 10080"},
      {"OPTIONS * HTTP/1.1\r\n\r\n", "http", "port 10080"},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http", "port 10080"},
      {"Host: x\r\n", "http", "port 10080"},
      {std::string_view("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), "tls", "port 10024"},
      {"EHLO mail.example.org\r\n", "smtp", "port 25"},
      {"helo x\r\n", "smtp", "port 25"},
      {"EHLO\r\n", "smtp", "port 25"},
  };
  for (const Row& row : rows) {
    for (const bool bytewise : {false, true}) {
      INFO(row.bytes << bytewise);
      Driver d;
      if (bytewise) {
        for (const char c : row.bytes) d.send({&c, 1});
      } else {
        d.send(row.bytes);
      }
      d.send("\r\ncommand ping\r\n");
      const std::string out = d.taken();
      CHECK(out.starts_with("status error 400 "));
      CHECK(count(out, "\n") == 1);
      CHECK_THAT(out, Catch::Contains(row.port));
      CHECK(d.session.closing());
      CHECK(d.session.close_reason() == row.reason);
      CHECK(d.executed.empty());
    }
  }
}

TEST_CASE("requests and beginnings of other protocols that come to nothing are ordinary lines") {
  for (const std::string_view line : {"GET", "EHL", "g", "\x16", "HOST", "post\tx", "PR"}) {
    INFO(line);
    Driver d;
    d.send(line);
    d.pass(100ms);
    CHECK_THAT(d.taken(), Catch::Contains("status error 400 "));
    d.send("command ping\n");
    CHECK(d.taken() == kPong);
    d.send("GET / HTTP/1.0\r\n");  // not at the beginning: a malformed line
    CHECK_FALSE(d.session.closing());
  }
  Driver d;
  d.send("E");
  d.eof();
  CHECK_THAT(d.taken(), Catch::Contains("status error 400 "));
  CHECK(d.session.closing());
}

TEST_CASE("a request is received when its last byte came") {
  LineSession session({}, {}, LineSession::TimePoint(1h));
  session.on_bytes("command ping", LineSession::TimePoint(1h) + 1ms);
  session.on_bytes("\n", LineSession::TimePoint(1h) + 5ms);
  const auto execute = session.next_request();
  REQUIRE(execute);
  CHECK(execute->received == LineSession::TimePoint(1h) + 5ms);
}
