// When so much is unreachable at once that the daemon's own network must be down.
#include "inventory/outage.hpp"

#include <catch2/catch.hpp>

using namespace certline;

namespace {
constexpr UtcTime kNow = 1'800'000'000;

void note_all(OutageWatch& watch, EndpointId from, EndpointId to, bool failed, UtcTime now) {
  for (EndpointId id = from; id < to; ++id) watch.note(id, failed, now);
}
}  // namespace

TEST_CASE("An outage needs both many failures and half of what was scanned") {
  OutageWatch few;
  note_all(few, 0, 19, true, kNow);
  CHECK_FALSE(few.outage());
  few.note(0, true, kNow);  // the same one again
  CHECK_FALSE(few.outage());
  few.note(19, true, kNow);
  CHECK(few.outage());
  CHECK(few.since() == kNow);

  OutageWatch many;
  note_all(many, 100, 200, false, kNow);
  note_all(many, 0, 99, true, kNow + 60);
  CHECK_FALSE(many.outage());
  many.note(99, true, kNow + 60);
  CHECK(many.outage());
}

TEST_CASE("What lies further back than the window doesn't count") {
  OutageWatch watch;
  note_all(watch, 0, 19, true, kNow);
  watch.note(19, true, kNow + OutageWatch::kWindow);
  CHECK_FALSE(watch.outage());
}

TEST_CASE("An outage ends when fewer than a fifth still fail") {
  OutageWatch watch;
  note_all(watch, 0, 30, true, kNow);
  REQUIRE(watch.outage());
  SECTION("as they are scanned again") {
    note_all(watch, 0, 24, false, kNow + 300);  // 6 of 30 fail
    CHECK(watch.outage());
    watch.note(24, false, kNow + 301);
    CHECK_FALSE(watch.outage());
    CHECK(watch.since() == 0);
  }
  SECTION("not by the few that never fail, such as the daemon's own") {
    for (int hour = 1; hour < 20; ++hour) watch.note(1000, false, kNow + hour * 3600);
    CHECK(watch.outage());
    note_all(watch, 0, 9, false, kNow + 20 * 3600);
    CHECK_FALSE(watch.outage());
  }
}

TEST_CASE("A clock that steps back begins a new window") {
  OutageWatch watch;
  note_all(watch, 0, 10, true, kNow);
  note_all(watch, 10, 20, true, kNow - 5000);
  CHECK_FALSE(watch.outage());
  note_all(watch, 0, 10, true, kNow - 5000);
  CHECK(watch.outage());
}
