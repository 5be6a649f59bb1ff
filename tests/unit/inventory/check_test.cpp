// The reply for monitoring systems: each state, the worst of several first, days that count down.
#include "inventory/check.hpp"

#include <catch2/catch.hpp>

#include "inventory/schedule.hpp"

using namespace certline;

namespace {

constexpr UtcTime kNow = 1'800'000'000;

ExpirationReport served(std::int64_t seconds_left) {
  ExpirationReport report;
  report.domain = "a.org";
  report.certificate_found = report.trusted = true;
  report.renewal_utc = kNow + seconds_left;
  report.renewal_due = seconds_left <= 28 * kDay;
  report.expired_found = seconds_left <= 0;
  report.problem = "none";
  return report;
}

CheckResult checked(const ExpirationReport& report) {
  return check(report, report.renewal_utc == 0 ? 0 : report.renewal_utc - 28 * kDay, kNow);
}

}  // namespace

TEST_CASE("a check: ok, renewal due, expired") {
  CheckResult said = checked(served(58 * kDay + 5));
  CHECK(said.state == CheckState::ok);
  CHECK(said.text == "58 days left");
  CHECK(said.days_left == 58);
  CHECK(said.due_days == 28);
  said = checked(served(kDay));
  CHECK(said.state == CheckState::warning);
  CHECK(said.text == "renewal is due, 1 day left");
  ExpirationReport past = served(-1);
  past.trusted = false;
  past.problem = "expired";
  said = checked(past);
  CHECK(said.state == CheckState::critical);
  CHECK(said.text == "expired 1 day ago");
  CHECK(said.days_left == -1);
}

TEST_CASE("a check: what browsers refuse is critical, other trouble a warning") {
  ExpirationReport report = served(60 * kDay);
  report.trusted = false;
  report.problem = "wrong_host";
  CHECK(checked(report).state == CheckState::critical);
  CHECK(checked(report).text == "wrong_host, 60 days left");
  report.trusted = true;
  report.problem = "old_certificate_served";
  CHECK(checked(report).state == CheckState::warning);
  CHECK(checked(report).text == "old_certificate_served, 60 days left");
  report = served(3 * kDay);
  report.problem = "timeout";
  CHECK(checked(report).text == "renewal is due, 3 days left, timeout");
}

TEST_CASE("a check: without a certificate nothing is known") {
  ExpirationReport report;
  for (const char* const problem : {"pending", "resting", "unreachable", "dns_error"}) {
    report.problem = problem;
    CHECK(checked(report).state == CheckState::unknown);
    CHECK(checked(report).text == problem);
    CHECK_FALSE(checked(report).days_left);
  }
}

TEST_CASE("a check: an end that cannot be read is no ok by itself") {
  ExpirationReport report = served(kDay);
  report.renewal_utc = 0;
  report.renewal_due = report.trusted = false;
  report.problem = "bad_certificate";
  CHECK(checked(report).state == CheckState::critical);
  CHECK(checked(report).text == "bad_certificate, its end cannot be read");
}
