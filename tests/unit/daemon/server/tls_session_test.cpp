// TLS between two ends of a socket pair, step by step: partial writes, ends, floods. And what a
// first record must look like.
#include "daemon/server/tls_session.hpp"

#include <fcntl.h>

#include <boost/asio/io_context.hpp>
#include <random>

#include "daemon/server/client_hello.hpp"
#include "daemon/server/stream.hpp"
#include "tests/unit/daemon/server/tls_fixture.hpp"
#include "tests/unit/daemon/service/service_fixture.hpp"

using namespace certline;
using namespace certline::runtime;
using namespace certline::server;
using namespace certline::service;

namespace {

struct Ends {
  TemporaryDirectory dir;
  TlsIdentityPtr identity = TlsPair(dir.path, "own").identity();
  int descriptors[2];
  boost::asio::io_context io;
  std::unique_ptr<Stream> server;
  std::unique_ptr<TlsPeer> client;

  Ends() {
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, descriptors) == 0);
    server = std::make_unique<Stream>(Stream::Socket(io, {AF_UNIX, 0}, descriptors[0]));
    client = std::make_unique<TlsPeer>(descriptors[1]);
    auto session = identity->session(server->socket().native_handle(), TlsSession::Alpn::none);
    REQUIRE(session);
    for (int turn = 0; turn < 10; ++turn) {
      const bool there = client->handshake();
      const auto step = session->handshake();
      REQUIRE(step != TlsSession::Step::failed);
      if (there && step == TlsSession::Step::done) break;
    }
    server->secure(std::move(session));
  }

  Moved read(std::string& into) {
    into.assign(Stream::kReadAtLeast, '\0');
    const auto moved = server->read(into);
    into.resize(moved.bytes);
    return moved;
  }
};

std::string noise(std::size_t size) {
  std::minstd_rand random(7);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

}  // namespace

TEST_CASE("what a client writes is read record by record, and then it would block") {
  Ends ends;
  std::string got;
  CHECK(ends.read(got).outcome == Outcome::would_block);
  REQUIRE(ends.client->send("one"));
  REQUIRE(ends.client->send("two"));
  CHECK(ends.read(got).outcome == Outcome::done);
  CHECK(got == "one");
  CHECK(ends.read(got).outcome == Outcome::done);
  CHECK(got == "two");
  CHECK(ends.read(got).outcome == Outcome::would_block);
}

TEST_CASE("a write that blocks goes on where it stopped") {
  Ends ends;
  const std::string text = noise(2 << 20);
  std::string received;
  std::size_t sent = 0;
  bool blocked = false;
  while (received.size() < text.size()) {
    while (sent < text.size()) {
      // The same bytes at another place in memory, as a buffer that moved would have them.
      const std::string rest = text.substr(sent);
      const auto moved = ends.server->write(rest);
      if (moved.outcome == Outcome::would_block) {
        blocked = true;
        break;
      }
      REQUIRE(moved.outcome == Outcome::done);
      sent += moved.bytes;
    }
    for (auto some = ends.client->receive(); !some.empty(); some = ends.client->receive()) {
      received += some;
    }
  }
  CHECK(blocked);
  CHECK(received == text);
}

TEST_CASE("close_notify is an end, a cut is a failure") {
  Ends ends;
  std::string got;
  REQUIRE(ends.client->send("last"));
  SECTION("an end") {
    SSL_shutdown(ends.client->ssl());
    CHECK(ends.read(got).outcome == Outcome::done);
    CHECK(got == "last");
    CHECK(ends.read(got).outcome == Outcome::end);
    CHECK(ends.server->write("still answered").outcome == Outcome::done);
    CHECK(ends.client->receive() == "still answered");
  }
  SECTION("a cut") {
    ends.client.reset();
    CHECK(ends.read(got).outcome == Outcome::done);
    CHECK(ends.read(got).outcome == Outcome::failed);
    CHECK(ends.server->write("too late").outcome == Outcome::failed);
  }
}

TEST_CASE("the server says goodbye, once") {
  Ends ends;
  ends.server->shut_writing();
  CHECK(ends.client->receive().empty());
  CHECK((SSL_get_shutdown(ends.client->ssl()) & SSL_RECEIVED_SHUTDOWN) != 0);
  REQUIRE(ends.client->send("unread"));
  std::string got;
  CHECK(ends.read(got).outcome == Outcome::done);  // a lingering close reads on
  ends.server->close();
  CHECK_FALSE(ends.server->is_open());
}

TEST_CASE("key updates are taken one at a time, and a flood of them is the end") {
  Ends ends;
  std::string got;
  const auto update = [&] {
    REQUIRE(SSL_key_update(ends.client->ssl(), SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
    REQUIRE(SSL_do_handshake(ends.client->ssl()) == 1);
  };
  for (int i = 0; i < 100; ++i) {
    update();
    REQUIRE(ends.client->send("data"));
    CHECK(ends.read(got).outcome == Outcome::would_block);
    CHECK(ends.read(got).outcome == Outcome::done);
  }
  for (int i = 0; i < 17; ++i) update();
  for (int i = 0; i < 16; ++i) REQUIRE(ends.read(got).outcome == Outcome::would_block);
  CHECK(ends.read(got).outcome == Outcome::failed);
  CHECK(ends.read(got).outcome == Outcome::failed);
}

TEST_CASE("a read may have to wait until its answer can be written") {
  Ends ends;
  std::string got;
  REQUIRE(SSL_key_update(ends.client->ssl(), SSL_KEY_UPDATE_REQUESTED) == 1);
  REQUIRE(SSL_do_handshake(ends.client->ssl()) == 1);
  const std::string block = noise(16 * 1024);
  while (ends.server->write(block).outcome == Outcome::done) {
  }
  CHECK_FALSE(ends.server->read_waits_to_write());
  const auto moved = ends.read(got);
  CHECK(moved.outcome == Outcome::would_block);
  while (!ends.client->receive().empty()) {
  }
  // Whichever came first, the stream goes on when there is room.
  while (ends.server->write(block).outcome == Outcome::would_block) {
    while (!ends.client->receive().empty()) {
    }
  }
  REQUIRE(ends.client->send("after it"));
  Moved after = ends.read(got);
  for (int i = 0; i < 10 && after.outcome == Outcome::would_block; ++i) {
    after = ends.read(got);
  }
  CHECK(after.outcome == Outcome::done);
  CHECK(got == "after it");
}

TEST_CASE("the first record is awaited whole, and only a ClientHello of a sound size") {
  using Verdict = HelloLook::Verdict;
  const auto look = [](std::string_view bytes) {
    return look_at_hello({bytes.data(), bytes.size()});
  };
  const std::string hello =
      std::string("\x16\x03\x01\x00\x64\x01\x00\x00\x60\x03\x03", 11) + std::string(94, 'x');
  REQUIRE(hello.size() == 5 + 100);
  for (std::size_t size = 0; size < hello.size(); ++size) {
    const HelloLook part = look(std::string_view(hello).substr(0, size));
    INFO(size);
    REQUIRE(part.verdict == Verdict::wait);
    CHECK(part.needed == (size < 9 ? 9 : hello.size()));
  }
  CHECK(look(hello).verdict == Verdict::begin);
  CHECK(look(hello + "more").verdict == Verdict::begin);
  for (const std::string_view refused :
       {std::string_view("G"), std::string_view("\x80"), std::string_view("\x16\x02", 2),
        std::string_view("\x16\x03\x01\x40\x01", 5), std::string_view("\x16\x03\x01\x00\x03", 5),
        std::string_view("\x16\x03\x01\x00\x64\x02", 6),
        std::string_view("\x16\x03\x01\x40\x00\x01\x00\x40\x01", 9),
        std::string_view("\x16\x03\x01\x00\x64\x01\x02\x00\x00", 9)}) {
    INFO(quoted(refused));
    CHECK(look(refused).verdict == Verdict::refuse);
  }
  CHECK(look(std::string_view("\x16\x03\x01\x40\x00\x01\x00\x3f\xfc", 9)).needed == 5 + 16384);
}
