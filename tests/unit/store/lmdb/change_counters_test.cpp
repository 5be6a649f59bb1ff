// Stamps: what was read before counts as unchanged until a row behind it is written, by this store
// or by another process.
#include <catch2/catch.hpp>
#include <thread>

#include "store/lmdb/environment.hpp"
#include "tests/unit/store/samples.hpp"

using namespace certline;
using namespace certline::store;
using namespace certline::store::test;
using namespace certline::store::lmdb;

namespace {

const std::string kName = "a.example.org";

struct Watched {
  Scratch scratch;
  std::unique_ptr<Store> store = lmdb::open(settings(scratch / "s")).value();
  Sha256 key = hash(1);
  AccountId account = 0;
  EndpointRecord endpoint;

  Watched() {
    REQUIRE(store->write([&](WriteView& view) {
      account = view.accounts.new_id();
      view.accounts.put(plain_account(account, ""));
      view.keys.put(key, plain_key(account));
      endpoint.id = view.endpoints.new_id();
      endpoint.host = kName;
      endpoint.watchers = 1;
      view.endpoints.put(endpoint);
      view.watches.put(account, kName, sample_watch(endpoint.id));
    }) == CommitOutcome::committed);
  }

  Stamp stamp() {
    const auto stamp = store->stamp(store->read(), key, account, kName, endpoint.id);
    REQUIRE(stamp.has_value());
    REQUIRE(store->unchanged(*stamp));
    return *stamp;
  }
  bool survives(const std::function<void(WriteView&)>& apply) {
    const Stamp before = stamp();
    store->write(apply);
    return store->unchanged(before);
  }
};

}  // namespace

TEST_CASE("a stamp ends with a write to its key, its watch or its endpoint") {
  Watched w;
  CHECK_FALSE(w.survives([&](WriteView& view) { view.endpoints.put(w.endpoint); }));
  CHECK_FALSE(w.survives([&](WriteView& view) { view.endpoints.remove(w.endpoint.id); }));
  CHECK_FALSE(w.survives(
      [&](WriteView& view) { view.watches.put(w.account, kName, sample_watch(w.endpoint.id)); }));
  CHECK_FALSE(w.survives([&](WriteView& view) { view.watches.remove(w.account, kName); }));
  CHECK_FALSE(w.survives([&](WriteView& view) { view.keys.put(w.key, plain_key(99)); }));
  CHECK_FALSE(w.survives([&](WriteView& view) {
    KeyRecord key = plain_key(99);
    key.state = KeyState::revoked;
    view.keys.put(w.key, key);
  }));
  CHECK_FALSE(w.survives([&](WriteView& view) { view.keys.remove(half_of(w.key)); }));
  CHECK_FALSE(w.survives([&](WriteView& view) { view.keys.put(w.key, plain_key(99)); }));
}

TEST_CASE("a stamp outlives writes to other rows, and a key's new count of names") {
  Watched w;
  CHECK(w.survives([&](WriteView& view) {
    KeyRecord key = plain_key(w.account, 5);
    key.reports = 3;
    key.last_seen_utc = 9;
    view.keys.put(w.key, key);
    view.incidents.put_alerts(w.endpoint.id, sample_alert_state());
    view.audit.append(sample_audit());
  }));
  CHECK(w.survives([](WriteView&) {}));
  CHECK(w.survives([&](WriteView& view) { view.keys.put(w.key, plain_key(w.account, 2)); }));
  CHECK(w.survives([&](WriteView& view) {
    EndpointRecord other = w.endpoint;
    other.id = view.endpoints.new_id();
    other.host = "b.example.org";
    view.endpoints.put(other);
    view.watches.put(w.account, other.host, sample_watch(other.id));
    view.keys.put(hash(0x02000000), plain_key(w.account, 0));
  }));
}

TEST_CASE("a write that fails ends a stamp, too: needlessly, but never the other way") {
  Watched w;
  CHECK_FALSE(w.survives([&](WriteView& view) {
    view.endpoints.put(w.endpoint);
    throw std::runtime_error("changed my mind");
  }));
  w.stamp();
}

TEST_CASE("while a row is being written no stamp is given and none holds") {
  Watched w;
  const Stamp before = w.stamp();
  w.store->write([&](WriteView& view) {
    view.endpoints.put(w.endpoint);
    std::thread([&] {
      CHECK_FALSE(w.store->unchanged(before));
      CHECK_FALSE(w.store->stamp(w.store->read(), w.key, w.account, kName, w.endpoint.id));
    }).join();
  });
  w.stamp();
}

TEST_CASE("a view from before a commit gives no stamp") {
  Watched w;
  const ReadView view = w.store->read();
  REQUIRE(w.store->stamp(view, w.key, w.account, kName, w.endpoint.id));
  w.store->write([&](WriteView& writing) { writing.endpoints.put(w.endpoint); });
  CHECK_FALSE(w.store->stamp(view, w.key, w.account, kName, w.endpoint.id));
}

TEST_CASE("what somebody else committed ends every stamp") {
  Watched w;
  const Stamp before = w.stamp();
  {
    // As another process would: past this store's writer.
    const auto environment =
        Environment::open(w.scratch / "s", 0, Environment::Mode::read_write).value();
    RawTransaction txn(*environment, true);
    const std::string value = encode(ReferenceRecord{7});
    MDB_val key{4, const_cast<char*>("mail")}, put{value.size(), const_cast<char*>(value.data())};
    REQUIRE(mdb_put(txn.raw(), environment->table(Table::emails), &key, &put, 0) == MDB_SUCCESS);
    REQUIRE(txn.commit() == MDB_SUCCESS);
  }
  CHECK_FALSE(w.store->unchanged(before));
  CHECK_FALSE(w.store->stamp(w.store->read(), w.key, w.account, kName, w.endpoint.id));
  w.store->write([](WriteView& view) { view.accounts.new_id(); });
  CHECK_FALSE(w.store->unchanged(before));
  w.stamp();
}
