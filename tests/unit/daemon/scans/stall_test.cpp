// Scans that stand still are reported, and a backlog that moves is not. Notifier and driver run
// together, because only a scan's own write may prove that scans go on.
#include <map>

#include "daemon/notices/notifier.hpp"
#include "tests/unit/daemon/scans/driver_fixture.hpp"

namespace certline::scans {
namespace {

// What the operator's channel took.
class Told {
 public:
  notices::NotifierParts parts(const Parts& of) {
    auto take = [this](const Config&, const std::string&, const std::string&, const Message& m,
                       UtcTime, const std::atomic<bool>&) {
      const std::lock_guard lock(mutex_);
      taken_.push_back(m);
      return notices::Handover{};
    };
    return {of, take};
  }
  // Since the last call.
  std::vector<Message> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(taken_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<Message> taken_;
};

Config told_at_once(std::uint32_t concurrency) {
  Config config = at_once(concurrency);
  config.notify.gather_s = 0;
  config.channels.push_back({});
  config.channels.back().name = "ops";
  config.channels.back().url = "http://127.0.0.1:9/";
  return config;
}

struct StallFixture : DriverFixture {
  StallFixture() : DriverFixture(told_at_once(1)), notifier(told.parts(*parts), settings) {
    notifier.run_due(time);
    for (int n = 0; n < kNames; ++n) add("n" + std::to_string(n) + ".example.org");
    REQUIRE(scanner.wait_begun(1));
  }

  // So many minutes pass, with the end of one scan in each, or of none.
  void minutes(int count, bool scans_end) {
    for (int minute = 0; minute < count; ++minute) {
      time += 60;
      if (scans_end) {
        save_scan();
        REQUIRE(scanner.wait_begun(++ended + 1));
      }
      notifier.run_due(time);
    }
  }

  static constexpr int kNames = 100;
  std::size_t ended = 0;
  Told told;
  notices::Notifier notifier;
};

}  // namespace

TEST_CASE("a backlog that moves is not told, however long it is") {
  StallFixture f;
  f.minutes(60, true);
  CHECK(f.told.take().empty());
  // Almost all that is due has been so for an hour.
  CHECK(f.store->read().endpoints.due_count(f.kStart) == f.kNames - 60);
}

TEST_CASE("scans that stand still are told once, and that they go on") {
  StallFixture f;
  f.minutes(15, false);
  CHECK(f.told.take().empty());
  f.minutes(60, false);
  auto told = f.told.take();
  REQUIRE(told.size() == 1);
  CHECK(told[0].event == EventKind::scanner_stalled);
  CHECK(told[0].severity == Severity::critical);
  f.minutes(30, true);
  told = f.told.take();
  REQUIRE(told.size() == 1);
  CHECK(told[0].event == EventKind::recovered);
  CHECK(told[0].about == EventKind::scanner_stalled);
}

TEST_CASE("scans that stop in the middle of a backlog are told a quarter of an hour later") {
  StallFixture f;
  f.minutes(30, true);
  f.minutes(15, false);
  CHECK(f.told.take().empty());
  f.minutes(2, false);
  CHECK(f.told.take().size() == 1);
}

TEST_CASE("scans whose results cannot be saved stand still") {
  StallFixture f;
  f.time += 20 * 60;
  f.no_random_bytes = true;
  f.end_scan();
  f.settle();
  f.notifier.run_due(f.time);
  const auto told = f.told.take();
  REQUIRE(told.size() == 1);
  CHECK(told[0].event == EventKind::scanner_stalled);
}

}  // namespace certline::scans
