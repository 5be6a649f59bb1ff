// Backup and restore: consistent copies during many writes, and a restore that does all or nothing.
#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <thread>

#include "store/lmdb/environment.hpp"
#include "tests/unit/store/samples.hpp"

using namespace certline;
using namespace certline::store;
using namespace certline::store::test;
using namespace certline::store::lmdb;

namespace {

// One name as a service adds it: everything belongs together, or nothing is there.
void add_name(WriteView& view, std::uint32_t n) {
  const EndpointId id = view.endpoints.new_id();
  const std::string name = "n" + std::to_string(n) + ".example";
  auto endpoint = sample_endpoint(id);
  endpoint.host = name;
  view.endpoints.put(endpoint);
  auto watch = sample_watch(id);
  view.watches.put(1, name, watch);
  auto key = view.keys.find(hash(1)).value_or(plain_key(1, 0));
  ++key.names;
  view.keys.put(hash(1), key);
}

void check_consistent(const Store& store, std::size_t least) {
  const auto view = store.read();
  const auto key = view.keys.find(hash(1));
  REQUIRE(key);
  CHECK(key->names >= least);
  CHECK(view.counts().watches == key->names);
  CHECK(view.counts().endpoints == key->names);
  const auto watches = view.watches.of(1, "").first(1'000'000);
  CHECK(watches.size() == key->names);
  for (const auto& [name, watch] : watches) {
    const auto endpoint = view.endpoints.find(watch.endpoint);
    REQUIRE(endpoint);
    REQUIRE(endpoint->host == name);
  }
  CHECK(view.endpoints.due_count(1'800'000'000) == key->names);
}

}  // namespace

TEST_CASE("a backup taken during a storm restores to a consistent state") {
  const Scratch scratch;
  const auto store = lmdb::open(settings(scratch / "s")).value();
  for (std::uint32_t n = 0; n < 100; ++n)
    REQUIRE(store->write([&](WriteView& view) { add_name(view, n); }) == CommitOutcome::committed);
  std::atomic<bool> stop{false};
  std::thread storm([&] {
    for (std::uint32_t n = 100; !stop; ++n)
      store->write([&](WriteView& view) { add_name(view, n); });
  });
  std::vector<Result<void>> results;
  for (int i = 0; i < 3; ++i)
    results.push_back(lmdb::backup(settings(scratch / "s"), scratch / ("b" + std::to_string(i))));
  stop = true;
  storm.join();
  for (int i = 0; i < 3; ++i) {
    INFO(i);
    REQUIRE(results[static_cast<std::size_t>(i)].has_value());
    const std::string target = scratch / ("r" + std::to_string(i));
    REQUIRE(lmdb::restore(settings(target), scratch / ("b" + std::to_string(i))).has_value());
    check_consistent(*lmdb::open(settings(target)).value(), 100);
  }
  check_consistent(*store, 100);
}

TEST_CASE("a restore under an open store replaces everything, but gives no identity out twice") {
  const Scratch scratch;
  const auto store = lmdb::open(settings(scratch / "s")).value();
  for (std::uint32_t n = 0; n < 10; ++n) store->write([&](WriteView& view) { add_name(view, n); });
  REQUIRE(lmdb::backup(settings(scratch / "s"), scratch / "b").has_value());
  for (std::uint32_t n = 10; n < 30; ++n) store->write([&](WriteView& view) { add_name(view, n); });
  EndpointId before = 0;
  store->write([&](WriteView& view) {
    before = view.endpoints.new_id();
    view.accounts.put(plain_account(9, "later@example.org"));
  });
  REQUIRE(lmdb::restore(settings(scratch / "s"), scratch / "b").has_value());
  check_consistent(*store, 10);
  CHECK(store->read().counts().watches == 10);
  CHECK_FALSE(store->read().accounts.by_email("later@example.org"));
  EndpointId after = 0;
  store->write([&](WriteView& view) { after = view.endpoints.new_id(); });
  CHECK(after > before);
}

TEST_CASE("every table comes back from a backup; numbers go on, the secret is the backup's") {
  const Scratch scratch;
  const auto first = lmdb::open(settings(scratch / "s")).value();
  REQUIRE(first->write([](WriteView& view) {
    view.accounts.put(sample_account(view.accounts.new_id()));
    view.keys.put(hash(1), sample_key(1));
    add_name(view, 1);
    view.addresses.put(1, sample_address(1), {{hash(101), der(1)}, {hash(99), der(2)}}, 5);
    view.certificates.put_intermediate(hash(5), der(5));
    view.tokens.put(hash(2), sample_token());
    view.audit.append(sample_audit());
    view.accounts.count_opened(20'000, IpAddress::v4(1));
    view.incidents.put_alerts(1, sample_alert_state());
    view.incidents.put(sample_incident_key(1), sample_incident());
    view.deliveries.put(sample_delivery(view.deliveries.new_id()));
    view.alarms.set({7, AlarmKind::deliver, alarm_about(1)});
  }) == CommitOutcome::committed);
  REQUIRE(lmdb::backup(settings(scratch / "s"), scratch / "b").has_value());
  const auto second = lmdb::open(settings(scratch / "t")).value();
  REQUIRE(second->write([](WriteView& view) {
    for (int i = 0; i < 5; ++i) {
      view.deliveries.put(sample_delivery(view.deliveries.new_id()));
      view.audit.append(sample_audit(9));
    }
    view.accounts.put(sample_account(77));
    view.alarms.set({8, AlarmKind::digest, alarm_about(77)});
  }) == CommitOutcome::committed);
  REQUIRE(second->read().secret() != first->read().secret());
  REQUIRE(lmdb::restore(settings(scratch / "t"), scratch / "b").has_value());
  const ReadView view = second->read();
  CHECK(view.secret() == first->read().secret());
  CHECK(same(view.accounts.find(1).value(), sample_account(1)));
  CHECK(view.accounts.by_email("a1@example.org") == 1);
  CHECK(view.accounts.claiming("c1@example.org").first(9) == std::vector<AccountId>{1});
  CHECK_FALSE(view.accounts.find(77));
  CHECK(view.keys.of(1, {}).first(9).size() == 1);
  CHECK(view.tokens.find(hash(2))->email == "a@example.org");
  CHECK(view.audit.all(0).first(9).size() == 1);
  CHECK(view.accounts.opened(20'000, IpAddress::v4(1)) == 1);
  CHECK(view.incidents.alerts(1) == sample_alert_state());
  CHECK(view.incidents.of(1).first(9).size() == 1);
  CHECK(view.deliveries.all(0).first(9).size() == 1);
  CHECK(view.alarms.until(1000).first(9) ==
        std::vector<Alarm>{{7, AlarmKind::deliver, alarm_about(1)}});
  REQUIRE(second->write([](WriteView& writing) {
    CHECK(writing.deliveries.new_id() == 6);
    writing.audit.append(sample_audit());
  }) == CommitOutcome::committed);
  CHECK(second->read().audit.all(0).first(9).back().first == 6);
}

TEST_CASE("a backup with one impossible row in any table changes nothing") {
  const Scratch scratch;
  const auto store = lmdb::open(settings(scratch / "s")).value();
  store->write([](WriteView& view) { add_name(view, 1); });
  const auto table = static_cast<Table>(GENERATE(range(1, static_cast<int>(kTableCount))));
  INFO(table_name(table));
  lmdb::open(settings(scratch / "odd")).value();
  {
    const auto environment =
        Environment::open(scratch / "odd", 0, Environment::Mode::read_write).value();
    RawTransaction txn(*environment, true);
    const RowKey key = RowKey().text("odd");
    const std::string value = bind(encode(sample_incident()) + "!", key.view());
    MDB_val where = to_value(key.view());
    MDB_val what{value.size(), const_cast<char*>(value.data())};
    must_succeed(mdb_put(txn.raw(), environment->table(table), &where, &what, 0), "put");
    must_succeed(txn.commit(), "commit");
  }
  REQUIRE(lmdb::backup(settings(scratch / "odd"), scratch / "b").has_value());
  const auto result = lmdb::restore(settings(scratch / "s"), scratch / "b");
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().detail.find(table_name(table)) != std::string::npos);
  check_consistent(*store, 1);
}

TEST_CASE("a damaged backup changes nothing") {
  const Scratch scratch;
  const auto store = lmdb::open(settings(scratch / "s")).value();
  store->write([](WriteView& view) { add_name(view, 1); });
  REQUIRE(lmdb::backup(settings(scratch / "s"), scratch / "b").has_value());
  store->write([](WriteView& view) { add_name(view, 2); });
  {
    std::fstream file(scratch / "b/data.mdb", std::ios::binary | std::ios::in | std::ios::out);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const auto at = bytes.find("192.0.2.1: incomplete_chain");
    REQUIRE(at != std::string::npos);
    file.seekp(static_cast<std::streamoff>(at));
    file.put('!');
  }
  const auto result = lmdb::restore(settings(scratch / "s"), scratch / "b");
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().kind == ErrorKind::unavailable);
  CHECK(result.error().detail.find("endpoints") != std::string::npos);
  check_consistent(*store, 2);
}

TEST_CASE("backup and restore refuse what would overwrite or make no sense") {
  const Scratch scratch;
  const auto store = lmdb::open(settings(scratch / "s")).value();
  store->write([](WriteView& view) { add_name(view, 1); });
  CHECK(lmdb::backup(settings(scratch / "none"), scratch / "b").error().kind ==
        ErrorKind::unavailable);
  REQUIRE(lmdb::backup(settings(scratch / "s"), scratch / "b").has_value());
  CHECK(lmdb::backup(settings(scratch / "s"), scratch / "b").error().kind == ErrorKind::refused);
  CHECK(lmdb::restore(settings(scratch / "s"), scratch / "s").error().kind == ErrorKind::refused);
  CHECK(lmdb::restore(settings(scratch / "s"), scratch / "none").error().kind ==
        ErrorKind::unavailable);
  CHECK(lmdb::restore(settings(scratch / "t"), scratch / "s").error().kind == ErrorKind::refused);
  CHECK_FALSE(std::filesystem::exists(scratch / "b/data.mdb.unfinished"));
  CHECK_FALSE(std::filesystem::exists(scratch / "b/lock.mdb"));
}

TEST_CASE("a backup larger than the map is refused and changes nothing") {
  const Scratch scratch;
  const auto large = lmdb::open(settings(scratch / "l")).value();
  large->write([](WriteView& view) {
    for (std::uint32_t n = 0; n < 40; ++n)
      view.certificates.put_intermediate(hash(n), der(n, 100'000));
  });
  REQUIRE(lmdb::backup(settings(scratch / "l"), scratch / "b").has_value());
  const auto small = lmdb::open(settings(scratch / "s", 1 << 20)).value();
  small->write([](WriteView& view) { add_name(view, 1); });
  const auto result = lmdb::restore(settings(scratch / "s", 1 << 20), scratch / "b");
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().kind == ErrorKind::store_full);
  check_consistent(*small, 1);
}
