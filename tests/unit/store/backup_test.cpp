// Backup and restore: consistent copies during a storm, all or nothing on the way back.
#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <thread>

#include "samples.hpp"
#include "store/environment.hpp"

using namespace certline;
using namespace certline::store;
using namespace certline::store::test;

namespace {

// One name as a service adds it: everything belongs together, or nothing is there.
void add_name(WriteView& view, std::uint32_t n) {
  const EndpointId id = view.new_endpoint_id();
  const std::string name = "n" + std::to_string(n) + ".example";
  auto endpoint = sample_endpoint(id);
  endpoint.host = name;
  view.put_endpoint(endpoint);
  auto watch = sample_watch(id);
  view.put_watch(1, name, watch);
  auto key = view.key(hash(1)).value_or(plain_key(1, 0));
  ++key.names;
  view.put_key(hash(1), key);
}

void check_consistent(const Store& store, std::size_t least) {
  const auto view = store.read();
  const auto key = view.key(hash(1));
  REQUIRE(key);
  CHECK(key->names >= least);
  CHECK(view.counts().watches == key->names);
  CHECK(view.counts().endpoints == key->names);
  const auto watches = view.watches(1, "", 1'000'000);
  CHECK(watches.size() == key->names);
  for (const auto& [name, watch] : watches) {
    const auto endpoint = view.endpoint(watch.endpoint);
    REQUIRE(endpoint);
    REQUIRE(endpoint->host == name);
  }
  CHECK(view.due_count(1'800'000'000) == key->names);
}

}  // namespace

TEST_CASE("a backup taken during a storm restores to a consistent state") {
  const Scratch scratch;
  const auto store = Store::open(settings(scratch / "s")).value();
  for (std::uint32_t n = 0; n < 100; ++n)
    REQUIRE(store->write([&](WriteView& view) { add_name(view, n); }) == CommitOutcome::committed);
  std::atomic<bool> stop{false};
  std::thread storm([&] {
    for (std::uint32_t n = 100; !stop; ++n)
      store->write([&](WriteView& view) { add_name(view, n); });
  });
  std::vector<Result<void>> results;
  for (int i = 0; i < 3; ++i)
    results.push_back(Store::backup(settings(scratch / "s"), scratch / ("b" + std::to_string(i))));
  stop = true;
  storm.join();
  for (int i = 0; i < 3; ++i) {
    INFO(i);
    REQUIRE(results[static_cast<std::size_t>(i)].has_value());
    const std::string target = scratch / ("r" + std::to_string(i));
    REQUIRE(Store::restore(settings(target), scratch / ("b" + std::to_string(i))).has_value());
    check_consistent(*Store::open(settings(target)).value(), 100);
  }
  check_consistent(*store, 100);
}

TEST_CASE("a restore under an open store replaces everything, but gives no identity out twice") {
  const Scratch scratch;
  const auto store = Store::open(settings(scratch / "s")).value();
  for (std::uint32_t n = 0; n < 10; ++n) store->write([&](WriteView& view) { add_name(view, n); });
  REQUIRE(Store::backup(settings(scratch / "s"), scratch / "b").has_value());
  for (std::uint32_t n = 10; n < 30; ++n) store->write([&](WriteView& view) { add_name(view, n); });
  EndpointId before = 0;
  store->write([&](WriteView& view) {
    before = view.new_endpoint_id();
    view.put_account(plain_account(9, "later@example.org"));
  });
  REQUIRE(Store::restore(settings(scratch / "s"), scratch / "b").has_value());
  check_consistent(*store, 10);
  CHECK(store->read().counts().watches == 10);
  CHECK_FALSE(store->read().account_by_email("later@example.org"));
  EndpointId after = 0;
  store->write([&](WriteView& view) { after = view.new_endpoint_id(); });
  CHECK(after > before);
}

TEST_CASE("every table comes back from a backup; numbers go on, the secret is the backup's") {
  const Scratch scratch;
  const auto first = Store::open(settings(scratch / "s")).value();
  REQUIRE(first->write([](WriteView& view) {
    view.put_account(sample_account(view.new_account_id()));
    view.put_key(hash(1), sample_key(1));
    add_name(view, 1);
    view.put_address(1, sample_address(1), {{hash(101), der(1)}, {hash(99), der(2)}}, 5);
    view.put_intermediate(hash(5), der(5));
    view.put_token(hash(2), sample_token());
    view.append_audit(sample_audit());
    view.count_new_account(20'000, IpAddress::v4(1));
    view.put_alert_state(1, sample_alert_state());
    view.put_incident(sample_incident_key(1), sample_incident());
    view.put_delivery(sample_delivery(view.new_delivery_id()));
    view.set_alarm({7, AlarmKind::deliver, alarm_about(1)});
  }) == CommitOutcome::committed);
  REQUIRE(Store::backup(settings(scratch / "s"), scratch / "b").has_value());
  const auto second = Store::open(settings(scratch / "t")).value();
  REQUIRE(second->write([](WriteView& view) {
    for (int i = 0; i < 5; ++i) {
      view.put_delivery(sample_delivery(view.new_delivery_id()));
      view.append_audit(sample_audit(9));
    }
    view.put_account(sample_account(77));
    view.set_alarm({8, AlarmKind::digest, alarm_about(77)});
  }) == CommitOutcome::committed);
  REQUIRE(second->read().secret() != first->read().secret());
  REQUIRE(Store::restore(settings(scratch / "t"), scratch / "b").has_value());
  const ReadView view = second->read();
  CHECK(view.secret() == first->read().secret());
  CHECK(same(view.account(1).value(), sample_account(1)));
  CHECK(view.account_by_email("a1@example.org") == 1);
  CHECK(view.claims("c1@example.org", 9) == std::vector<AccountId>{1});
  CHECK_FALSE(view.account(77));
  CHECK(view.keys(1, {}, 9).size() == 1);
  CHECK(view.token(hash(2))->email == "a@example.org");
  CHECK(view.audit(0, 9).size() == 1);
  CHECK(view.new_accounts(20'000, IpAddress::v4(1)) == 1);
  CHECK(view.alert_state(1) == sample_alert_state());
  CHECK(view.incidents(1, 9).size() == 1);
  CHECK(view.deliveries(0, 9).size() == 1);
  CHECK(view.alarms(1000, 9) == std::vector<Alarm>{{7, AlarmKind::deliver, alarm_about(1)}});
  REQUIRE(second->write([](WriteView& writing) {
    CHECK(writing.new_delivery_id() == 6);
    writing.append_audit(sample_audit());
  }) == CommitOutcome::committed);
  CHECK(second->read().audit(0, 9).back().first == 6);
}

TEST_CASE("a backup with one impossible row in any table changes nothing") {
  const Scratch scratch;
  const auto store = Store::open(settings(scratch / "s")).value();
  store->write([](WriteView& view) { add_name(view, 1); });
  const auto table = static_cast<Table>(GENERATE(range(1, static_cast<int>(kTableCount))));
  INFO(table_name(table));
  Store::open(settings(scratch / "odd")).value();
  {
    const auto environment =
        Environment::open(scratch / "odd", 0, Environment::Mode::read_write).value();
    Transaction txn(*environment, true);
    const Key key = Key().text("odd");
    const std::string value = bind(encode(sample_incident()) + "!", key.view());
    MDB_val where = to_value(key.view());
    MDB_val what{value.size(), const_cast<char*>(value.data())};
    check(mdb_put(txn.raw(), environment->table(table), &where, &what, 0), "put");
    check(txn.commit(), "commit");
  }
  REQUIRE(Store::backup(settings(scratch / "odd"), scratch / "b").has_value());
  const auto result = Store::restore(settings(scratch / "s"), scratch / "b");
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().detail.find(table_name(table)) != std::string::npos);
  check_consistent(*store, 1);
}

TEST_CASE("a damaged backup changes nothing") {
  const Scratch scratch;
  const auto store = Store::open(settings(scratch / "s")).value();
  store->write([](WriteView& view) { add_name(view, 1); });
  REQUIRE(Store::backup(settings(scratch / "s"), scratch / "b").has_value());
  store->write([](WriteView& view) { add_name(view, 2); });
  {
    std::fstream file(scratch / "b/data.mdb", std::ios::binary | std::ios::in | std::ios::out);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const auto at = bytes.find("192.0.2.1: incomplete_chain");
    REQUIRE(at != std::string::npos);
    file.seekp(static_cast<std::streamoff>(at));
    file.put('!');
  }
  const auto result = Store::restore(settings(scratch / "s"), scratch / "b");
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().kind == ErrorKind::unavailable);
  CHECK(result.error().detail.find("endpoints") != std::string::npos);
  check_consistent(*store, 2);
}

TEST_CASE("backup and restore refuse what would overwrite or make no sense") {
  const Scratch scratch;
  const auto store = Store::open(settings(scratch / "s")).value();
  store->write([](WriteView& view) { add_name(view, 1); });
  CHECK(Store::backup(settings(scratch / "none"), scratch / "b").error().kind ==
        ErrorKind::unavailable);
  REQUIRE(Store::backup(settings(scratch / "s"), scratch / "b").has_value());
  CHECK(Store::backup(settings(scratch / "s"), scratch / "b").error().kind == ErrorKind::refused);
  CHECK(Store::restore(settings(scratch / "s"), scratch / "s").error().kind == ErrorKind::refused);
  CHECK(Store::restore(settings(scratch / "s"), scratch / "none").error().kind ==
        ErrorKind::unavailable);
  CHECK(Store::restore(settings(scratch / "t"), scratch / "s").error().kind == ErrorKind::refused);
  CHECK_FALSE(std::filesystem::exists(scratch / "b/data.mdb.unfinished"));
  CHECK_FALSE(std::filesystem::exists(scratch / "b/lock.mdb"));
}

TEST_CASE("a backup larger than the map is refused and changes nothing") {
  const Scratch scratch;
  const auto large = Store::open(settings(scratch / "l")).value();
  large->write([](WriteView& view) {
    for (std::uint32_t n = 0; n < 40; ++n) view.put_intermediate(hash(n), der(n, 100'000));
  });
  REQUIRE(Store::backup(settings(scratch / "l"), scratch / "b").has_value());
  const auto small = Store::open(settings(scratch / "s", 1 << 20)).value();
  small->write([](WriteView& view) { add_name(view, 1); });
  const auto result = Store::restore(settings(scratch / "s", 1 << 20), scratch / "b");
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().kind == ErrorKind::store_full);
  check_consistent(*small, 1);
}
