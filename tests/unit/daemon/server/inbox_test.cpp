// Work from other threads reaches a server thread in order, with one wake-up, and not after the
// thread has ended.
#include "daemon/server/inbox.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <thread>

using namespace certline::server;

TEST_CASE("what was queued runs in order, woken once") {
  boost::asio::io_context io;
  const auto inbox = std::make_shared<Inbox>(io);
  std::string done;
  std::thread other([&] {
    for (const char c : {'a', 'b', 'c'}) inbox->queue([&done, c] { done += c; });
    inbox->wake();
  });
  other.join();
  CHECK(io.run() == 1);  // one handler for all three
  CHECK(done == "abc");
  inbox->wake();  // with nothing queued
  io.restart();
  CHECK(io.run() == 0);
}

TEST_CASE("what is queued while the queue runs waits for the next time") {
  boost::asio::io_context io;
  const auto inbox = std::make_shared<Inbox>(io);
  std::string done;
  inbox->queue([&] {
    done += 'a';
    inbox->queue([&] { done += 'b'; });
  });
  inbox->wake();
  CHECK(io.run() == 1);
  CHECK(done == "a");
  inbox->wake();
  io.restart();
  CHECK(io.run() == 1);
  CHECK(done == "ab");
}

TEST_CASE("a closed inbox drops its work and takes no more") {
  const auto held = std::make_shared<int>(0);
  std::shared_ptr<Inbox> inbox;
  {
    boost::asio::io_context io;
    inbox = std::make_shared<Inbox>(io);
    inbox->queue([held] { FAIL("too late"); });
    CHECK(held.use_count() == 2);
    inbox->close();
    CHECK(held.use_count() == 1);
    CHECK(io.run() == 0);
  }
  inbox->queue([held] { FAIL("too late"); });
  inbox->wake();  // its thread is gone
  CHECK(held.use_count() == 1);
}
