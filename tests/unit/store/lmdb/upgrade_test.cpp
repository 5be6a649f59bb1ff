// Stores of formats 1 and 2: read as they are, upgraded when opened for writing, backed up and
// restored. The test makes them by removing what later formats added.
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <map>

#include "store/lmdb/environment.hpp"
#include "tests/unit/store/samples.hpp"

using namespace certline;
using namespace certline::store;
using namespace certline::store::test;
using namespace certline::store::lmdb;

namespace {

constexpr std::uint32_t kKeys = 40;
constexpr std::uint64_t kRoom = 64ull << 20;

AccountId owner_of(std::uint32_t key) {
  return 1 + key % 3;
}

void populate(const std::string& path, std::uint64_t room = kRoom, std::uint32_t keys = kKeys) {
  const auto store = lmdb::open(settings(path, room)).value();
  REQUIRE(store->write([&](WriteView& view) {
    for (AccountId id = 1; id <= 3; ++id)
      view.accounts.put(
          plain_account(view.accounts.new_id(), "a" + std::to_string(id) + "@example.org"));
    for (std::uint32_t n = 1; n <= keys; ++n) view.keys.put(hash(n), plain_key(owner_of(n), n));
    EndpointRecord endpoint = sample_endpoint(view.endpoints.new_id());
    endpoint.resting = 0;
    view.endpoints.put(endpoint);
    view.watches.put(1, "h1.example.org:5432", sample_watch(endpoint.id));
    view.addresses.put(endpoint.id, sample_address(1), {{hash(101), der(1)}, {hash(99), der(2)}},
                       5);
  }) == CommitOutcome::committed);
}

void put(const Environment& environment, const RawTransaction& txn, Table table, ByteView key,
         const std::string& bytes) {
  MDB_val where = to_value(key);
  MDB_val what{bytes.size(), const_cast<char*>(bytes.data())};
  must_succeed(mdb_put(txn.raw(), environment.table(table), &where, &what, 0), "put");
}

// Format 1: checksums without the keys, index rows without a value.
void unbind_all(const Environment& environment, const RawTransaction& txn) {
  for (std::size_t i = 0; i < kTablesBefore3; ++i) {
    const auto table = static_cast<Table>(i);
    std::map<std::string, std::string> rows;
    Cursor cursor(txn.raw(), environment.table(table));
    for (bool more = cursor.first(); more; more = cursor.next())
      rows.emplace(std::string(cursor.key().begin(), cursor.key().end()),
                   std::string(cursor.value().begin(), cursor.value().end()));
    for (const auto& [key, value] : rows) {
      const ByteView where(reinterpret_cast<const std::uint8_t*>(key.data()), key.size());
      const bool index = value.size() == 4;
      put(environment, txn, table, where, index ? "" : bind(value, where));  // twice is not at all
    }
  }
}

void fill(const Environment& environment) {
  for (std::uint32_t n = 1000;; ++n) {
    RawTransaction txn(environment, true);
    const RowKey key = hash_key(hash(n));
    try {
      put(environment, txn, Table::intermediates, key.view(),
          bind(encode(IntermediateRecord{der(n, 900)}), key.view()));
      must_succeed(txn.commit(), "commit");
    } catch (const StoreFull&) {
      return;
    }
  }
}

void make_older(const std::string& path, std::uint32_t format, bool full = false) {
  const auto environment = Environment::open(path, 0, Environment::Mode::read_write).value();
  RawTransaction txn(*environment, true);
  MetaRecord meta = environment->read_meta(txn.raw());
  meta.format = format;
  meta.secret.reset();
  put(*environment, txn, Table::meta, meta_key().view(), bind(encode(meta), meta_key().view()));
  if (format == 1) unbind_all(*environment, txn);
  for (std::size_t i = kTablesBefore3; i < kTableCount; ++i)
    must_succeed(mdb_drop(txn.raw(), environment->table(static_cast<Table>(i)), 1), "drop");
  must_succeed(txn.commit(), "commit");
  if (full) fill(*environment);
}

std::string file_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

lmdb::StoreSettings reading(const std::string& path) {
  lmdb::StoreSettings out = settings(path);
  out.read_only = true;
  return out;
}

void check_old_rows(const ReadView& view, std::size_t wanted = kKeys) {
  CHECK(view.accounts.by_email("a2@example.org") == 2);
  CHECK(same(view.accounts.find(2).value(), plain_account(2, "a2@example.org")));
  CHECK(view.keys.find(hash(7))->names == 7);
  CHECK(view.keys.find(hash(7))->state == KeyState::active);
  CHECK(same(view.watches.find(1, "h1.example.org:5432").value(), sample_watch(1)));
  CHECK(view.endpoints.due({}, 1'800'000'000).first(9).size() == 1);
  CHECK(view.addresses.of(1).size() == 1);
  CHECK(view.certificates.find(hash(99))->references == 1);
  std::size_t keys = 0;
  for (AccountId id = 1; id <= 3; ++id) {
    const auto first = view.keys.of(id, {}).first(5);
    const auto rest = view.keys.of(id, first.back().first).first(10'000);
    for (const auto& page : {first, rest})
      for (const auto& [tag, record] : page) {
        CHECK(record.account == id);
        CHECK(half_of(record.digest) == tag);
        ++keys;
      }
  }
  CHECK(keys == wanted);
}

void check_nothing_new(const ReadView& view) {
  CHECK(view.audit.all(0).first(9).empty());
  CHECK(view.alarms.until(2'000'000'000).first(9).empty());
  CHECK(view.deliveries.all(0).first(9).empty());
  CHECK(view.incidents.of(1).first(9).empty());
  CHECK(view.accounts.claiming("a1@example.org").first(9).empty());
  CHECK(view.tokens.all({}).first(9).empty());
  CHECK_FALSE(view.tokens.find(hash(1)));
  CHECK(view.incidents.alerts(1) == AlertState{});
  CHECK(view.accounts.opened(1, {}) == 0);
}

std::uint32_t format_of(const std::string& path) {
  const auto environment = Environment::open(path, 0, Environment::Mode::read_only).value();
  return environment->read_meta(RawTransaction(*environment, false).raw()).format;
}

}  // namespace

TEST_CASE("a store of an older format is read as it is, and stays so") {
  const std::uint32_t format = GENERATE(1u, 2u);
  const Scratch scratch;
  populate(scratch / "s");
  make_older(scratch / "s", format);
  const std::string before = file_bytes(scratch / "s/data.mdb");
  {
    const auto store = lmdb::open(reading(scratch / "s")).value();
    check_old_rows(store->read());
    check_nothing_new(store->read());
    CHECK_THROWS_AS(store->read().secret(), StoreFailure);
  }
  CHECK(file_bytes(scratch / "s/data.mdb") == before);
  CHECK(format_of(scratch / "s") == format);
}

TEST_CASE("a store of an older format becomes one of this when it is opened for writing") {
  const std::uint32_t format = GENERATE(1u, 2u);
  const Scratch scratch;
  populate(scratch / "s");
  make_older(scratch / "s", format);
  Sha256 secret{};
  {
    const auto store = lmdb::open(settings(scratch / "s")).value();
    check_old_rows(store->read());
    check_nothing_new(store->read());
    secret = store->read().secret();
    CHECK(secret != Sha256{});
    REQUIRE(store->write([](WriteView& view) {
      CHECK(view.accounts.new_id() == 4);
      CHECK(view.deliveries.new_id() == 1);
      view.keys.put(hash(6), plain_key(2));
      view.audit.append(sample_audit());
      view.endpoints.put(sample_endpoint(1));
    }) == CommitOutcome::committed);
  }
  CHECK(format_of(scratch / "s") == kFormatVersion);
  const auto store = lmdb::open(settings(scratch / "s")).value();
  CHECK(store->read().secret() == secret);
  CHECK(store->read().audit.all(0).first(9).size() == 1);
  CHECK(store->read().keys.of(1, {}).first(100).size() == 12);
  CHECK(store->read().keys.of(2, {}).first(100).size() == 15);
  check_old_rows(store->read());
}

TEST_CASE("a backup of an older format restores as if it had been upgraded first") {
  const std::uint32_t format = GENERATE(1u, 2u);
  const Scratch scratch;
  populate(scratch / "old");
  make_older(scratch / "old", format);
  REQUIRE(lmdb::backup(settings(scratch / "old"), scratch / "b").has_value());
  CHECK(format_of(scratch / "b") == format);
  const auto store = lmdb::open(settings(scratch / "s")).value();
  REQUIRE(store->write([](WriteView& view) {
    view.keys.put(hash(99), plain_key(1));
    view.audit.append(sample_audit());
    view.alarms.set({1, AlarmKind::tell, alarm_about(1)});
    view.incidents.put_alerts(1, sample_alert_state());
  }) == CommitOutcome::committed);
  const Sha256 secret = store->read().secret();
  REQUIRE(lmdb::restore(settings(scratch / "s"), scratch / "b").has_value());
  check_old_rows(store->read());
  check_nothing_new(store->read());
  CHECK(store->read().secret() == secret);
  REQUIRE(store->write([](WriteView& view) { view.audit.append(sample_audit()); }) ==
          CommitOutcome::committed);
  CHECK(store->read().audit.all(0).first(9).at(0).first == 2);
}

TEST_CASE("an upgrade that finds no room changes nothing") {
  const Scratch scratch;
  constexpr std::uint64_t kTight = 1 << 20;
  populate(scratch / "s", kTight, 2000);
  make_older(scratch / "s", 2, true);
  const auto tight = lmdb::open(settings(scratch / "s", kTight));
  REQUIRE_FALSE(tight.has_value());
  CHECK(tight.error().kind == ErrorKind::store_full);
  CHECK(tight.error().detail.find("store.map_size") != std::string::npos);
  CHECK(format_of(scratch / "s") == 2);
  check_old_rows(lmdb::open(settings(scratch / "s")).value()->read(), 2000);
}

TEST_CASE("a damaged key doesn't keep a store from being upgraded") {
  const Scratch scratch;
  populate(scratch / "s");
  {
    const auto environment =
        Environment::open(scratch / "s", 0, Environment::Mode::read_write).value();
    RawTransaction txn(*environment, true);
    put(*environment, txn, Table::keys, api_key_key(hash(7)).view(), encode(sample_key(1)) + "x");
    must_succeed(txn.commit(), "commit");
  }
  make_older(scratch / "s", 2);
  const auto store = lmdb::open(settings(scratch / "s")).value();
  CHECK_THROWS_AS(store->read().keys.find(hash(7)), CorruptValue);
  CHECK_THROWS_AS(store->read().keys.of(1, {}).first(99), CorruptValue);
  CHECK(store->read().keys.find(hash(8))->names == 8);
}

TEST_CASE("a store of this format whose secret is gone is refused") {
  const Scratch scratch;
  populate(scratch / "s");
  {
    const auto environment =
        Environment::open(scratch / "s", 0, Environment::Mode::read_write).value();
    RawTransaction txn(*environment, true);
    MetaRecord meta = environment->read_meta(txn.raw());
    meta.secret.reset();
    put(*environment, txn, Table::meta, meta_key().view(), bind(encode(meta), meta_key().view()));
    must_succeed(txn.commit(), "commit");
  }
  const auto refused = lmdb::open(settings(scratch / "s"));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().kind == ErrorKind::unavailable);
}
