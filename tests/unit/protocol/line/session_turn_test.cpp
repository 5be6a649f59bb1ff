// How many lines a connection gets before the others have their turn. Good, bad and blank lines
// count alike, and nothing is lost between two turns.
#include <catch2/catch.hpp>

#include "tests/unit/protocol/line/session_driver.hpp"

using namespace certline;
using namespace certline::line;
using test::Driver;

TEST_CASE("a turn looks at so many lines, whatever they are, and the next goes on") {
  const std::string pong = "status error 503 ping\n";
  Driver d;
  d.session.begin_turn(3);
  d.send("command ping\n\nhello\ncommand ping\ncommand ping\n");
  CHECK(d.session.turn_used());
  CHECK(d.executed.size() == 1);
  CHECK(d.taken().find("status error 400") != std::string::npos);
  d.session.begin_turn(3);
  d.pump();
  CHECK_FALSE(d.session.turn_used());
  CHECK(d.executed.size() == 3);
  CHECK(d.taken() == pong + pong);
}

TEST_CASE("silence ends a line only after the lines before it had their turn") {
  Driver d;
  d.session.begin_turn(1);
  d.send("command ping\ncommand ping\ncommand pi");
  CHECK(d.executed.size() == 1);
  d.session.begin_turn(1);
  d.send("ng\n");
  CHECK(d.executed.size() == 2);
  d.session.begin_turn(2);
  d.pump();
  CHECK(d.executed.size() == 3);
}
