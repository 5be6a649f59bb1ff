// A client's habit, and when it counts as silent.
#include "inventory/client_silence.hpp"

#include <catch2/catch.hpp>

#include "inventory/schedule.hpp"

using namespace certline;

TEST_CASE("Requests within a period are one report") {
  KeyRecord key;
  CHECK(is_report(key, 1'800'000'000));
  note_report(key, 1'800'000'000);
  CHECK_FALSE(is_report(key, 1'800'000'000 + kReportPeriod - 1));
  CHECK(is_report(key, 1'800'000'000 + kReportPeriod));
  CHECK(is_report(key, 1'800'000'000 - 1));  // the clock stepped back
}

TEST_CASE("Silence follows from the habit") {
  struct Row {
    UtcTime gap;
    int reports;
    UtcTime silent_after;  // 0: never
  };
  const std::vector<Row> rows = {
      {kDay, 2, 0},
      {kDay, 3, 3 * kDay},
      {kDay, 40, 3 * kDay},
      {12 * kHour, 40, 2 * kDay},  // at least
      {60 * kDay, 5, 180 * kDay},
  };
  for (const Row& row : rows) {
    KeyRecord key;
    UtcTime now = 1'800'000'000;
    for (int i = 0; i < row.reports; ++i) note_report(key, now += row.gap);
    CAPTURE(row.gap, row.reports);
    const auto silent = silent_from(key);
    REQUIRE(silent.has_value() == (row.silent_after != 0));
    if (silent) CHECK(*silent - now == row.silent_after);
  }
}

TEST_CASE("One long silence doesn't become the habit; a new habit does") {
  KeyRecord key;
  UtcTime now = 1'800'000'000;
  for (int i = 0; i < 20; ++i) note_report(key, now += kDay);
  key.silence_told = true;
  note_report(key, now += 100 * kDay);
  CHECK_FALSE(key.silence_told);
  CHECK(key.usual_gap_s < 2 * kDay);
  for (int i = 0; i < 40; ++i) note_report(key, now += 2 * kDay);
  CHECK(key.usual_gap_s > 19 * kDay / 10);
  key.state = KeyState::revoked;
  CHECK_FALSE(silent_from(key));
}
