// The schedule's driver and the write of each scan. The test says when the scanner's scans end.
#include <map>

#include "tests/unit/daemon/scans/driver_fixture.hpp"

namespace certline::scans {
namespace {

using Names = std::vector<std::string>;
using Kinds = std::map<EventKind, std::size_t>;

std::string name_of(int n) {
  return "n" + std::to_string(n) + ".example.org";
}

}  // namespace

TEST_CASE("what is due is scanned once, and its results are saved") {
  DriverFixture f;
  f.add(name_of(1));
  REQUIRE(f.scanner.wait_begun(1));
  f.settle_driver();
  CHECK(f.gauges.scans_in_flight == 1);
  CHECK(f.gauges.last_scan_utc == 0);
  f.time += 7;
  f.driver->wake();
  f.settle_driver();
  CHECK(f.scanner.begun() == Names{name_of(1)});  // it is under way already

  f.save_scan();
  CHECK(f.gauges.scans_in_flight == 0);
  CHECK(f.gauges.last_scan_utc == f.kStart + 7);
  const EndpointRecord after = f.endpoint(name_of(1));
  CHECK(after.last_scan_utc == f.kStart + 7);
  CHECK(after.certificate_found);
  CHECK(after.next_scan_utc == f.kStart + 7 + f.next_wait());
  CHECK(f.scanner.begun().size() == 1);

  f.time = after.next_scan_utc - 1;
  f.driver->wake();
  f.settle_driver();
  CHECK(f.scanner.begun().size() == 1);
  f.time = after.next_scan_utc;
  f.driver->wake();
  REQUIRE(f.scanner.wait_begun(2));
}

TEST_CASE("no more scans are under way than the configuration allows") {
  DriverFixture f(at_once(2));
  for (int n = 1; n <= 5; ++n) f.add(name_of(n));
  REQUIRE(f.scanner.wait_begun(2));
  f.settle_driver();
  CHECK(f.scanner.under_way().size() == 2);
  f.save_scan();
  REQUIRE(f.scanner.wait_begun(3));
  f.settle_driver();
  CHECK(f.scanner.under_way().size() == 2);

  f.driver->reload(make_settings(at_once(4)));
  f.save_scan();
  REQUIRE(f.scanner.wait_begun(5));
  f.settle_driver();
  CHECK(f.scanner.under_way().size() == 3);
  CHECK(f.gauges.scans_in_flight == 3);
}

TEST_CASE("what was removed or became another meanwhile is left alone") {
  DriverFixture f;
  f.add(name_of(1));
  REQUIRE(f.scanner.wait_begun(1));
  REQUIRE(f.code("command remove domain " + name_of(1) + " apikey " + service::kKey) == 200);
  REQUIRE(f.code("command add domain " + name_of(1) + " starttls imap apikey " + service::kKey) ==
          200);
  REQUIRE(f.scanner.wait_begun(2));
  f.save_scan();
  CHECK(f.store->read().counts().addresses == 0);
  f.save_scan();
  CHECK(f.store->read().counts().addresses == 1);
}

TEST_CASE("a scan that is asked for while one is under way is still owed") {
  DriverFixture f;
  f.add(name_of(1));
  REQUIRE(f.scanner.wait_begun(1));
  Observation begun_before = f.seen({f.address("192.0.2.1", ScanState::ok, "leaf")});
  f.time += 1;
  REQUIRE(f.code("command scan domain " + name_of(1) + " apikey " + service::kKey) == 200);
  f.scanner.take_first()(std::move(begun_before));
  REQUIRE(f.scanner.wait_begun(2));
  CHECK(f.scanner.begun() == Names{name_of(1), name_of(1)});
  f.save_scan();
  f.settle_driver();
  CHECK(f.scanner.under_way().empty());
}

TEST_CASE("a scan that cannot be saved is not taken for one, and holds up no other") {
  DriverFixture f(at_once(2));
  f.add(name_of(1));
  REQUIRE(f.scanner.wait_begun(1));
  f.no_random_bytes = true;
  f.end_scan();
  for (int batch = 0; batch < 2; ++batch) f.settle();  // the second is not written with the scan
  f.settle_driver();
  f.no_random_bytes = false;
  CHECK(f.scanned_count() == 0);
  CHECK(f.gauges.last_scan_utc == 0);
  CHECK(f.endpoint(name_of(1)).last_scan_utc == 0);
  // It is still due, and keeps its place for a minute.
  f.driver->wake();
  f.settle_driver();
  CHECK(f.gauges.scans_in_flight == 1);
  f.add(name_of(2));
  REQUIRE(f.scanner.wait_begun(2));
  f.save_scan();
  CHECK(f.gauges.last_scan_utc == f.kStart);
  CHECK(f.scanner.begun() == Names{name_of(1), name_of(2)});
}

TEST_CASE("scans that end behind the driver's stop are saved, and start no other") {
  DriverFixture f(at_once(1));
  f.add(name_of(1));
  f.add(name_of(2));
  REQUIRE(f.scanner.wait_begun(1));
  const auto late = f.scanner.take_first();
  f.driver->stop();
  late(f.seen({f.address("192.0.2.1", ScanState::ok, "leaf")}));
  REQUIRE(f.wait_scanned(1));
  CHECK(f.endpoint(name_of(1)).last_scan_utc == f.kStart);
  f.driver.reset();
  f.settle();
  CHECK(f.scanner.begun().size() == 1);
  CHECK(f.endpoint(name_of(2)).next_scan_utc == f.kStart);
}

TEST_CASE("a crash loses no scan: what was under way is due after the start") {
  DriverFixture f;
  f.add(name_of(1));
  REQUIRE(f.scanner.wait_begun(1));
  CHECK(f.store->read().endpoints.due_count(f.time) == 1);
  f.save_scan();
  CHECK(f.store->read().endpoints.due_count(f.time) == 0);
}

TEST_CASE("the daemon's own network is in doubt once, however many scans fail") {
  constexpr int kNames = 25;
  Config config = at_once(100);
  config.channels.push_back({});
  config.channels.back().name = "ops";
  config.channels.back().url = "http://127.0.0.1:9/";
  DriverFixture f(config);
  for (int n = 0; n < kNames; ++n) f.add(name_of(n));
  std::size_t begun = 0;
  const auto scan_all = [&](const std::string& leaf) {
    f.driver->wake();
    begun += kNames;
    REQUIRE(f.scanner.wait_begun(begun));
    for (int n = 0; n < kNames; ++n) f.save_scan(leaf);
    CHECK(f.scanner.under_way().empty());
  };
  const auto incidents = [&] {
    Kinds out;
    const store::ReadView view = f.store->read();
    for (const auto& [key, record] : view.incidents.of(kOperatorAccount)) ++out[key.event];
    return out;
  };
  scan_all("");
  for (int round = 0; round < 5; ++round) {
    f.time += 7 * 3600;
    scan_all("");
  }
  CHECK(incidents() == Kinds{{EventKind::mass_outage, 1}});
}

}  // namespace certline::scans
