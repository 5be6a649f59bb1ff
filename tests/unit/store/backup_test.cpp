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
