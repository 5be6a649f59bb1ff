// The writer thread: order, group commit, jobs that fail, a map that is full. Also opening a store.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <future>
#include <iterator>
#include <mutex>
#include <thread>

#include "store/lmdb/environment.hpp"
#include "tests/unit/store/samples.hpp"

using namespace certline;
using namespace certline::store;
using namespace certline::store::test;
using namespace certline::store::lmdb;

namespace {

class TestJob : public WriteJob {
 public:
  using Apply = std::function<void(WriteView&)>;
  using Done = std::function<void(CommitOutcome)>;
  TestJob(Apply apply, Done done) : apply_(std::move(apply)), done_(std::move(done)) {}
  void apply(WriteView& view) override { apply_(view); }
  void done(CommitOutcome outcome) override { done_(outcome); }

 private:
  Apply apply_;
  Done done_;
};

// Keeps the writer busy until open() is called, so that what is submitted meanwhile is one batch.
class Gate {
 public:
  explicit Gate(Store& store) {
    auto entered = entered_.get_future();
    store.submit(std::make_unique<TestJob>(
        [this](WriteView&) {
          entered_.set_value();
          opened_.get_future().wait();
        },
        [](CommitOutcome) {}));
    entered.wait();
  }
  void open() { opened_.set_value(); }

 private:
  std::promise<void> entered_, opened_;
};

std::size_t last_transaction(const std::string& path) {
  const auto environment = Environment::open(path, 0, Environment::Mode::read_only).value();
  MDB_envinfo info{};
  mdb_env_info(environment->raw(), &info);
  return info.me_last_txnid;
}

void overwrite(const std::string& path, Table table, const RowKey& key, const std::string& bytes) {
  const auto environment = Environment::open(path, 0, Environment::Mode::read_write).value();
  RawTransaction txn(*environment, true);
  MDB_val where = to_value(key.view());
  MDB_val what{bytes.size(), const_cast<char*>(bytes.data())};
  must_succeed(mdb_put(txn.raw(), environment->table(table), &where, &what, 0), "overwrite");
  must_succeed(txn.commit(), "overwrite");
}

std::string file_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("jobs are acknowledged in order, each after its commit") {
  const Scratch scratch;
  const auto store = lmdb::open(settings(scratch / "s")).value();
  constexpr std::uint32_t kThreads = 4, kEach = 300;
  std::vector<std::vector<std::uint32_t>> acknowledged(kThreads);
  std::atomic<std::uint32_t> missing{0}, left{kThreads * kEach};
  std::promise<void> all;
  std::vector<std::thread> threads;
  for (std::uint32_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint32_t i = 0; i < kEach; ++i) {
        const Sha256 key = hash(t * 1000 + i);
        store->submit(std::make_unique<TestJob>(
            [key, i](WriteView& view) { view.keys.put(key, plain_key(1, i)); },
            [&, key, t, i](CommitOutcome outcome) {
              const auto found = store->read().keys.find(key);
              if (outcome != CommitOutcome::committed || !found || found->names != i) ++missing;
              acknowledged[t].push_back(i);
              if (--left == 0) all.set_value();
            }));
        if (i % 50 == 0) store->read().counts();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  all.get_future().wait();
  CHECK(missing == 0);
  CHECK(store->read().counts().keys == kThreads * kEach);
  for (const auto& order : acknowledged) {
    CHECK(order.size() == kEach);
    CHECK(std::is_sorted(order.begin(), order.end()));
  }
  CHECK(store->queued() == 0);
}

TEST_CASE("what has gathered goes into one commit") {
  const Scratch scratch;
  const auto store = lmdb::open(settings(scratch / "s")).value();
  Gate gate(*store);
  const std::size_t before = last_transaction(scratch / "s");
  std::promise<void> last;
  for (std::uint32_t i = 0; i < 500; ++i)
    store->submit(
        std::make_unique<TestJob>([i](WriteView& view) { view.keys.put(hash(i), plain_key(1, i)); },
                                  [&, i](CommitOutcome) {
                                    if (i == 499) last.set_value();
                                  }));
  CHECK(store->queued() == 500);
  gate.open();
  last.get_future().wait();
  CHECK(last_transaction(scratch / "s") <= before + 2);
  CHECK(store->read().counts().keys == 500);
}

TEST_CASE("a job that throws fails alone") {
  const Scratch scratch;
  const auto store = lmdb::open(settings(scratch / "s")).value();
  Gate gate(*store);
  std::vector<CommitOutcome> outcomes;
  std::promise<void> last;
  for (std::uint32_t i = 0; i < 20; ++i)
    store->submit(std::make_unique<TestJob>(
        [i](WriteView& view) {
          view.keys.put(hash(i), plain_key(1, i));
          if (i % 7 == 3) throw std::runtime_error("this one");
        },
        [&](CommitOutcome outcome) {
          outcomes.push_back(outcome);
          if (outcomes.size() == 20) last.set_value();
        }));
  gate.open();
  last.get_future().wait();
  for (std::uint32_t i = 0; i < 20; ++i) {
    const bool bad = i % 7 == 3;
    CHECK(outcomes[i] == (bad ? CommitOutcome::failed : CommitOutcome::committed));
    CHECK(store->read().keys.find(hash(i)).has_value() != bad);
  }
}

TEST_CASE("what is queued when the store closes is still committed") {
  const Scratch scratch;
  std::atomic<int> committed{0};
  {
    const auto store = lmdb::open(settings(scratch / "s")).value();
    for (std::uint32_t i = 0; i < 2000; ++i)
      store->submit(std::make_unique<TestJob>(
          [i](WriteView& view) { view.keys.put(hash(i), plain_key(1, i)); },
          [&](CommitOutcome outcome) { committed += outcome == CommitOutcome::committed; }));
  }
  CHECK(committed == 2000);
  CHECK(lmdb::open(settings(scratch / "s")).value()->read().counts().keys == 2000);
}

TEST_CASE("a full map: acknowledged is stored, reads go on, only what doesn't fit is refused") {
  const Scratch scratch;
  std::vector<bool> acknowledged;
  {
    const auto store = lmdb::open(settings(scratch / "s", 1 << 20)).value();
    Gate gate(*store);
    std::promise<void> last;
    constexpr std::size_t kJobs = 200;
    for (std::uint32_t i = 0; i < kJobs; ++i)
      store->submit(std::make_unique<TestJob>(
          [i](WriteView& view) { view.certificates.put_intermediate(hash(i), der(i, 20'000)); },
          [&](CommitOutcome outcome) {
            acknowledged.push_back(outcome == CommitOutcome::committed);
            if (outcome != CommitOutcome::committed && outcome != CommitOutcome::full)
              FAIL("an outcome that has nothing to do with room");
            if (acknowledged.size() == kJobs) last.set_value();
          }));
    gate.open();
    last.get_future().wait();
    const auto stored = std::count(acknowledged.begin(), acknowledged.end(), true);
    CHECK(stored > 20);
    CHECK(stored < 60);
    CHECK(store->used_fraction() > 0.9);
    CHECK(store->read().certificates.intermediates().size() == static_cast<std::size_t>(stored));
  }
  const auto again = lmdb::open(settings(scratch / "s", 1 << 20)).value();
  std::size_t present = 0;
  for (const auto& [hash, der] : again->read().certificates.intermediates())
    present += der.size() == 20'000;
  CHECK(present ==
        static_cast<std::size_t>(std::count(acknowledged.begin(), acknowledged.end(), true)));
}

TEST_CASE("a store that takes no new names at 0.9 goes on with updates") {
  const Scratch scratch;
  const auto store = lmdb::open(settings(scratch / "s", 2 << 20)).value();
  EndpointId id = 0;
  while (store->used_fraction() < 0.9) {
    ++id;
    REQUIRE(store->write([&](WriteView& view) {
      for (EndpointId i = 0; i < 50; ++i) view.endpoints.put(sample_endpoint(id * 100 + i));
    }) == CommitOutcome::committed);
  }
  for (UtcTime round = 0; round < 300; ++round) {
    auto record = sample_endpoint(100 + static_cast<EndpointId>(round % 50));
    record.next_scan_utc += round;
    REQUIRE(store->write([&](WriteView& view) { view.endpoints.put(record); }) ==
            CommitOutcome::committed);
  }
  CHECK(store->used_fraction() < 1.0);
  for (EndpointId i = 0; i < 50; ++i)
    REQUIRE(store->write([&](WriteView& view) { view.endpoints.remove(100 + i); }) ==
            CommitOutcome::committed);
}

TEST_CASE("room that is given back counts as free") {
  const Scratch scratch;
  const auto store = lmdb::open(settings(scratch / "s", 8 << 20)).value();
  for (EndpointId id = 1; id <= 40; ++id)
    store->write([&](WriteView& view) {
      view.endpoints.put(sample_endpoint(id));
      auto address = sample_address();
      address.chain = {hash(static_cast<std::uint32_t>(id))};
      view.addresses.put(id, address, {{address.chain[0], der(1, 100'000)}}, 1);
    });
  const double full = store->used_fraction();
  for (EndpointId id = 1; id <= 40; ++id)
    store->write([&](WriteView& view) { view.endpoints.remove(id); });
  CHECK(full > 0.4);
  CHECK(store->used_fraction() < full / 2);
}

TEST_CASE("a damaged value fails its readers, and nobody else") {
  const Scratch scratch;
  const auto store = lmdb::open(settings(scratch / "s")).value();
  REQUIRE(store->write([&](WriteView& view) {
    view.endpoints.put(sample_endpoint(1));
    view.endpoints.put(sample_endpoint(2));
  }) == CommitOutcome::committed);
  std::string bytes = encode(sample_endpoint(1));
  bytes[20] = static_cast<char>(bytes[20] ^ 4);
  overwrite(scratch / "s", Table::endpoints, endpoint_key(1), bytes);
  CHECK_THROWS_AS(store->read().endpoints.find(1), CorruptValue);
  CHECK(store->read().endpoints.find(2));
  CHECK(store->write([&](WriteView& view) { view.endpoints.put(sample_endpoint(1)); }) ==
        CommitOutcome::failed);
  CHECK(store->write([&](WriteView& view) { view.endpoints.put(sample_endpoint(2)); }) ==
        CommitOutcome::committed);
}

TEST_CASE("a store of a newer format, or without its format record, is refused untouched") {
  const Scratch scratch;
  lmdb::open(settings(scratch / "s")).value();
  overwrite(scratch / "s", Table::meta, meta_key(), encode(MetaRecord{kFormatVersion + 1, 1, 1}));
  const std::string before = file_bytes(scratch / "s/data.mdb");
  const auto newer = lmdb::open(settings(scratch / "s"));
  REQUIRE_FALSE(newer.has_value());
  CHECK(newer.error().kind == ErrorKind::refused);
  CHECK(newer.error().detail.find("format " + std::to_string(kFormatVersion + 1)) !=
        std::string::npos);
  CHECK(file_bytes(scratch / "s/data.mdb") == before);

  lmdb::open(settings(scratch / "t")).value();
  overwrite(scratch / "t", Table::meta, meta_key(), "no record at all");
  const auto lost = lmdb::open(settings(scratch / "t"));
  REQUIRE_FALSE(lost.has_value());
  CHECK(lost.error().kind == ErrorKind::unavailable);
}

TEST_CASE("one daemon per directory; readers beside it are welcome") {
  const Scratch scratch;
  auto reading = settings(scratch / "s");
  reading.read_only = true;
  CHECK(lmdb::open(reading).error().kind == ErrorKind::unavailable);  // there is none yet
  {
    const auto store = lmdb::open(settings(scratch / "s")).value();
    const auto second = lmdb::open(settings(scratch / "s"));
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().kind == ErrorKind::refused);
    const auto beside = lmdb::open(reading).value();
    REQUIRE(store->write([](WriteView& view) { view.keys.put(hash(1), plain_key(1)); }) ==
            CommitOutcome::committed);
    CHECK(beside->read().keys.find(hash(1)));
    CHECK(beside->write([](WriteView&) {}) == CommitOutcome::failed);
  }
  CHECK(lmdb::open(settings(scratch / "s")).has_value());
  std::ofstream(scratch / "file") << "x";
  CHECK(lmdb::open(settings(scratch / "file")).error().kind == ErrorKind::unavailable);
  const auto mode = std::filesystem::status(scratch / "s").permissions();
  CHECK(mode == std::filesystem::perms::owner_all);
}

TEST_CASE(
    "a disk that takes no more fails the job, and the next one after it recovers goes through") {
  const Scratch scratch;
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const auto store = lmdb::open(settings(scratch / "s")).value();
    const rlimit tight{256 * 1024, RLIM_INFINITY};
    const rlimit loose{RLIM_INFINITY, RLIM_INFINITY};
    const auto put = [&](std::uint32_t n, std::size_t size) {
      return store->write(
          [&](WriteView& view) { view.certificates.put_intermediate(hash(n), der(n, size)); });
    };
    bool right = put(1, 1000) == CommitOutcome::committed;
    ::setrlimit(RLIMIT_FSIZE, &tight);
    right = right && put(2, 2'000'000) == CommitOutcome::failed;
    right = right && store->read().certificates.intermediates().size() == 1;
    ::setrlimit(RLIMIT_FSIZE, &loose);
    right = right && put(3, 2'000'000) == CommitOutcome::committed;
    right = right && store->read().certificates.intermediates().size() == 2;
    ::_exit(right ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
