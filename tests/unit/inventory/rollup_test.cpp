// The sum over addresses, the effect of observations, and what a client is told.
#include "inventory/rollup.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <set>

#include "inventory/renewal.hpp"
#include "inventory/schedule.hpp"

using namespace certline;

namespace {

constexpr UtcTime kNow = 1'800'000'000;

Sha256 hash(std::uint8_t n) {
  Sha256 out{};
  out.fill(n);
  return out;
}

AddressObservation seen_at(std::uint8_t last, ScanState state, std::uint8_t leaf = 0,
                           UtcTime not_after = kNow + 60 * kDay) {
  AddressObservation row;
  row.address = IpAddress::v4(0xC0000200u + last);
  row.state = state;
  if (leaf != 0) {
    row.chain = {{hash(leaf), {leaf}}, {hash(200), {200}}};
    row.not_before = not_after - 90 * kDay;
    row.not_after = not_after;
    row.trusted = state == ScanState::ok;
  }
  return row;
}

Observation observation(std::vector<AddressObservation> rows, UtcTime at = kNow) {
  Observation out;
  out.resolution = ScanState::ok;
  out.started_utc = at - 1;
  out.finished_utc = at;
  out.addresses = std::move(rows);
  return out;
}

EndpointRecord endpoint() {
  EndpointRecord out;
  out.id = 1;
  out.host = "example.org";
  out.watchers = 1;
  return out;
}

}  // namespace

TEST_CASE("every scan state has its own name, and only ok is harmless") {
  std::set<std::string_view> names;
  for (int n = 0; n < 256; ++n) {
    const auto state = scan_state_by_number(static_cast<std::uint8_t>(n));
    if (!state) {
      CHECK(severity(static_cast<ScanState>(n)) > severity(ScanState::revoked));
      CHECK_FALSE(is_verdict(static_cast<ScanState>(n)));
      continue;
    }
    CHECK(names.insert(scan_state_name(*state)).second);
    CHECK((severity(*state) == 0) == (*state == ScanState::ok));
  }
  CHECK(names.size() == 26);
  CHECK(names.count("starttls_not_offered") == 1);
}

TEST_CASE("severity follows browsers, then the way there, then policy") {
  const std::vector<ScanState> order = {ScanState::revoked,
                                        ScanState::untrusted_root,
                                        ScanState::wrong_host,
                                        ScanState::weak_key,
                                        ScanState::expired,
                                        ScanState::injection_suspected,
                                        ScanState::old_certificate_served,
                                        ScanState::tls_error,
                                        ScanState::timeout,
                                        ScanState::dns_error,
                                        ScanState::policy,
                                        ScanState::client_certificate_required,
                                        ScanState::pending,
                                        ScanState::ok};
  for (std::size_t i = 1; i < order.size(); ++i) {
    INFO(scan_state_name(order[i]));
    CHECK(severity(order[i - 1]) > severity(order[i]));
  }
  CHECK(is_verdict(ScanState::ok));
  CHECK(is_verdict(ScanState::expired));
  CHECK_FALSE(is_verdict(ScanState::refused));
  CHECK_FALSE(is_verdict(ScanState::pending));
}

TEST_CASE("renewal is due a third of the lifetime ahead, at most 28 days") {
  CHECK(renewal_due_from(0, 90 * kDay) == 62 * kDay);
  CHECK(renewal_due_from(0, 47 * kDay) == 47 * kDay - 47 * kDay / 3);
  CHECK(renewal_due_from(0, 6 * kDay) == 3 * kDay);
  CHECK(renewal_due_from(0, 10 * kDay) == 5 * kDay);
  CHECK(renewal_due_from(10, 5) == 5);
}

TEST_CASE("one dead address of three: dates from the others, the cause is named") {
  const auto out =
      apply_observation(endpoint(), {},
                        observation({seen_at(7, ScanState::refused), seen_at(8, ScanState::ok, 1),
                                     seen_at(9, ScanState::ok, 2, kNow + 20 * kDay)}));
  CHECK(out.endpoint.certificate_found);
  CHECK(out.endpoint.trusted);
  CHECK(out.endpoint.addresses == 3);
  CHECK(out.endpoint.not_after_utc == kNow + 20 * kDay);
  CHECK(out.endpoint.renewal_due_utc == kNow - 8 * kDay);
  CHECK(out.endpoint.problem == ScanState::refused);
  CHECK(out.endpoint.detail == "192.0.2.7: refused; 2 of 3 addresses fine");
  CHECK(out.endpoint.failures == 1);
  CHECK(out.changes.size() == 3);
}

TEST_CASE("details stay within 200 bytes and keep their end") {
  auto row = seen_at(7, ScanState::tls_error);
  row.detail = std::string(400, 'x');
  const auto out =
      apply_observation(endpoint(), {}, observation({row, seen_at(8, ScanState::ok, 1)}));
  CHECK(out.endpoint.detail.size() == 200);
  CHECK(out.endpoint.detail.find("; 1 of 2 addresses fine") != std::string::npos);
  CHECK(out.addresses[0].detail.size() == 200);
}

TEST_CASE("policy shows only where nothing worse is there") {
  const auto mixed = apply_observation(
      endpoint(), {},
      observation({seen_at(1, ScanState::policy), seen_at(2, ScanState::expired, 1, kNow - 1)}));
  CHECK(mixed.endpoint.problem == ScanState::expired);
  const auto all = apply_observation(endpoint(), {}, observation({seen_at(1, ScanState::policy)}));
  CHECK(all.endpoint.problem == ScanState::policy);
  CHECK_FALSE(all.endpoint.certificate_found);
  CHECK_FALSE(all.endpoint.trusted);
}

TEST_CASE("a failed resolution keeps what was known and says so") {
  const auto first = apply_observation(endpoint(), {}, observation({seen_at(1, ScanState::ok, 1)}));
  Observation failed;
  failed.resolution = ScanState::dns_error;
  failed.detail = "SERVFAIL from 127.0.0.1:5300";
  failed.finished_utc = kNow + kDay;
  const auto second = apply_observation(first.endpoint, first.addresses, failed);
  CHECK(second.addresses.size() == 1);
  CHECK(second.gone.empty());
  CHECK(second.changes.empty());
  CHECK(second.endpoint.certificate_found);
  CHECK(second.endpoint.problem == ScanState::dns_error);
  CHECK(second.endpoint.detail ==
        "SERVFAIL from 127.0.0.1:5300; the rest is as of an earlier scan");
  CHECK(second.endpoint.failures == 1);
  CHECK(second.endpoint.last_scan_utc == kNow + kDay);
  const auto third =
      apply_observation(second.endpoint, second.addresses,
                        observation({seen_at(1, ScanState::ok, 1)}, kNow + 2 * kDay));
  CHECK(third.endpoint.failures == 0);
  CHECK(third.addresses[0].first_seen_utc == kNow);
  CHECK(third.addresses[0].state_since_utc == kNow);
}

TEST_CASE("an observation that was never filled in is not ok") {
  const auto out = apply_observation(endpoint(), {}, Observation{});
  CHECK(out.endpoint.problem == ScanState::pending);
  CHECK(out.endpoint.failures == 1);
  CHECK_FALSE(out.endpoint.trusted);
}

TEST_CASE("addresses come, go and change; only changes are history") {
  const auto first = apply_observation(
      endpoint(), {}, observation({seen_at(1, ScanState::ok, 1), seen_at(2, ScanState::ok, 1)}));
  const auto same = apply_observation(
      first.endpoint, first.addresses,
      observation({seen_at(1, ScanState::ok, 1), seen_at(2, ScanState::ok, 1)}, kNow + 1));
  CHECK(same.changes.empty());
  const auto moved = apply_observation(
      same.endpoint, same.addresses,
      observation({seen_at(2, ScanState::expired, 2), seen_at(3, ScanState::ok, 3)}, kNow + 2));
  REQUIRE(moved.gone.size() == 1);
  CHECK(moved.gone[0] == IpAddress::v4(0xC0000201));
  REQUIRE(moved.changes.size() == 4);
  CHECK(moved.changes[0].kind == ChangeKind::state);
  CHECK(moved.changes[1].kind == ChangeKind::certificate);
  CHECK(moved.changes[1].leaf_before == hash(1));
  CHECK(moved.changes[1].leaf_after == hash(2));
  CHECK(moved.changes[2].kind == ChangeKind::appeared);
  CHECK(moved.changes[3].kind == ChangeKind::disappeared);
  CHECK(moved.changes[3].leaf_before == hash(1));
  CHECK_FALSE(moved.changes[3].leaf_after);
}

TEST_CASE("more addresses and longer chains than allowed are cut") {
  std::vector<AddressObservation> rows;
  for (std::uint8_t i = 0; i < 40; ++i) rows.push_back(seen_at(i, ScanState::ok, 1));
  for (std::uint8_t i = 0; i < 20; ++i) rows[0].chain.push_back({hash(i), {i}});
  const auto out = apply_observation(endpoint(), {}, observation(rows));
  CHECK(out.addresses.size() == kAddressesPerEndpoint);
  CHECK(out.addresses[0].chain.size() == kStoredChainCertificates);
}

TEST_CASE("the report: pending, none, due, expired, and the announced leaf") {
  WatchRecord watch;
  auto before = report("Example.org", watch, endpoint(), kNow);
  CHECK(before.domain == "Example.org");
  CHECK(before.problem == "pending");
  CHECK_FALSE(before.certificate_found);

  const auto out = apply_observation(endpoint(), {}, observation({seen_at(1, ScanState::ok, 1)}));
  const auto fine = report("d", watch, out.endpoint, kNow);
  CHECK(fine.problem == "none");
  CHECK(fine.trusted);
  CHECK_FALSE(fine.renewal_due);
  CHECK(fine.renewal_utc == kNow + 60 * kDay);
  CHECK(report("d", watch, out.endpoint, kNow + 32 * kDay - 1).renewal_due == false);
  CHECK(report("d", watch, out.endpoint, kNow + 32 * kDay).renewal_due);
  CHECK_FALSE(report("d", watch, out.endpoint, kNow + 60 * kDay - 1).expired_found);
  CHECK(report("d", watch, out.endpoint, kNow + 60 * kDay).expired_found);

  watch.expected = hash(9);
  CHECK(report("d", watch, out.endpoint, kNow).problem == "old_certificate_served");
  CHECK(report("d", watch, endpoint(), kNow).problem == "pending");
  auto revoked = out.endpoint;
  revoked.problem = ScanState::revoked;
  revoked.detail = "the stapled OCSP response says revoked";
  const auto both = report("d", watch, revoked, kNow);
  CHECK(both.problem == "old_certificate_served");
  CHECK(both.detail.find("says revoked") != std::string::npos);
  watch.expected_met_utc = kNow;
  CHECK(report("d", watch, out.endpoint, kNow).problem == "none");
}

TEST_CASE("the report of one address") {
  const auto out = apply_observation(
      endpoint(), {}, observation({seen_at(1, ScanState::ok, 1), seen_at(2, ScanState::timeout)}));
  WatchRecord watch;
  const auto one = report_address("d", watch, out.endpoint, out.addresses[0], kNow);
  CHECK(one.addresses == 1);
  CHECK(one.problem == "none");
  CHECK(one.certificate_sha256 == hash(1));
  const auto dead = report_address("d", watch, out.endpoint, out.addresses[1], kNow);
  CHECK(dead.problem == "timeout");
  CHECK_FALSE(dead.certificate_found);
  CHECK_FALSE(dead.renewal_due);
  CHECK_FALSE(dead.expired_found);
  CHECK_FALSE(dead.certificate_sha256);
  watch.expected = hash(1);
  CHECK(report_address("d", watch, out.endpoint, out.addresses[0], kNow).problem == "none");
  watch.expected = hash(2);
  CHECK(report_address("d", watch, out.endpoint, out.addresses[0], kNow).problem ==
        "old_certificate_served");
  CHECK(report_address("d", watch, out.endpoint, out.addresses[1], kNow).problem == "timeout");
}

TEST_CASE("a certificate whose dates could not be read is neither due nor expired") {
  auto row = seen_at(1, ScanState::bad_certificate, 1);
  row.not_before = row.not_after = 0;
  const auto out = apply_observation(endpoint(), {}, observation({row}));
  const auto told = report("d", WatchRecord{}, out.endpoint, kNow);
  CHECK(told.certificate_found);
  CHECK_FALSE(told.renewal_due);
  CHECK_FALSE(told.expired_found);
  CHECK(told.renewal_utc == 0);
  CHECK(told.problem == "bad_certificate");
}

TEST_CASE("served everywhere means on every address") {
  const auto out = apply_observation(
      endpoint(), {}, observation({seen_at(1, ScanState::ok, 1), seen_at(2, ScanState::ok, 1)}));
  CHECK(serves_everywhere(out.addresses, hash(1)));
  CHECK_FALSE(serves_everywhere(out.addresses, hash(2)));
  CHECK_FALSE(serves_everywhere({}, hash(1)));
  auto partly = out.addresses;
  partly[1].chain.clear();
  CHECK_FALSE(serves_everywhere(partly, hash(1)));

  auto forbidden = out.addresses;
  forbidden.push_back({});
  forbidden.back().state = ScanState::policy;
  CHECK(serves_everywhere(forbidden, hash(1)));
  CHECK_FALSE(serves_everywhere(std::span(&forbidden.back(), 1), hash(1)));
}

TEST_CASE("dates hold until the next of them") {
  constexpr UtcTime kForever = std::numeric_limits<UtcTime>::max();
  CHECK(dates_hold_until(true, 200, 100, 50) == 100);
  CHECK(dates_hold_until(true, 200, 100, 100) == 200);
  CHECK(dates_hold_until(true, 200, 100, 199) == 200);
  CHECK(dates_hold_until(true, 200, 100, 200) == kForever);
  CHECK(dates_hold_until(false, 200, 100, 50) == kForever);
  CHECK(dates_hold_until(true, 0, 0, 50) == kForever);
}
