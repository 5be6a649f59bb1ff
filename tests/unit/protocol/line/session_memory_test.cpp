// What a session gets from its owner: remembered answers, and memory for its output.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "protocol/line/session.hpp"

using namespace certline;
using namespace certline::line;

namespace {

struct Memory : LineMemory {
  std::string known;
  std::vector<std::string> asked;
  bool recall(std::string_view line, LineSession::TimePoint, std::string& out) override {
    asked.emplace_back(line);
    if (line != known) return false;
    out += "data remembered\nstatus ok 200\n";
    return true;
  }
};

}  // namespace

TEST_CASE("a remembered line is answered in its turn, without being handed out") {
  Memory memory;
  memory.known = "command help on add";
  const auto now = LineSession::TimePoint{};
  LineSession session({}, {}, now, &memory);
  session.on_bytes("command help on add\r\ncommand ping\ncommand help on add\n", now);
  session.begin_turn(100);
  const auto ping = session.next_request();
  REQUIRE(ping.has_value());
  CHECK(std::holds_alternative<Ping>(ping->request));
  CHECK_FALSE(session.next_request());  // the third line waits for the second's answer
  session.on_reply(ping->slot, ReplyBody{Pong{}}, now);
  CHECK_FALSE(session.next_request());
  CHECK(session.take_output() ==
        "data remembered\nstatus ok 200\ndata pong\nstatus ok 200 alive\n"
        "data remembered\nstatus ok 200\n");
  CHECK(memory.asked.size() == 3);
}

TEST_CASE("behind a write a line is not asked of the memory") {
  Memory memory;
  memory.known = "command ping";
  const auto now = LineSession::TimePoint{};
  LineSession session({}, {}, now, &memory);
  session.on_bytes("command add domain a.example.org apikey aaaaaaaaaaaaaaaa0001\ncommand ping\n",
                   now);
  session.begin_turn(100);
  REQUIRE(session.next_request().has_value());
  CHECK_FALSE(session.next_request());
  CHECK(memory.asked.size() == 1);
}

TEST_CASE("lent memory is used for output, and comes back with it") {
  const auto now = LineSession::TimePoint{};
  LineSession session({}, {}, now);
  std::string room;
  room.reserve(5000);
  session.lend_output(room);
  CHECK(room.capacity() < 5000);
  session.give_back_output(room);
  CHECK(room.capacity() >= 5000);  // nothing was said: an idle connection keeps none of it
  session.lend_output(room);
  CHECK(session.take_output().empty());
  session.on_bytes("command nonsense\n", now);
  session.begin_turn(100);
  CHECK_FALSE(session.next_request());
  CHECK(session.take_output().capacity() >= 5000);
}
