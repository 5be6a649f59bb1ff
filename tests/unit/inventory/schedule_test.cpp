// Intervals of the schedule, and the dispatcher over an index in memory.
#include "inventory/schedule.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
#include <random>
#include <set>

using namespace certline;

namespace {

constexpr UtcTime kNow = 1'800'000'000;

const Random kLowest = [] { return std::uint64_t{0}; };

EndpointRecord healthy() {
  EndpointRecord out;
  out.certificate_found = true;
  out.problem = ScanState::ok;
  out.renewal_due_utc = kNow + 30 * kDay;
  return out;
}

class MemoryIndex : public DueIndex {
 public:
  std::vector<DueEntry> due(DueEntry after, UtcTime until, std::size_t most) const override {
    std::vector<DueEntry> out;
    for (auto at = entries.upper_bound(after); at != entries.end() && out.size() < most; ++at) {
      if (at->due_utc > until) break;
      out.push_back(*at);
    }
    reads += out.size();
    return out;
  }
  std::set<DueEntry> entries;
  mutable std::size_t reads = 0;
};

// A sorted vector with a mark for what is gone: a million entries without a million nodes.
class FlatIndex : public DueIndex {
 public:
  std::vector<DueEntry> due(DueEntry after, UtcTime until, std::size_t most) const override {
    std::vector<DueEntry> out;
    auto at = std::upper_bound(entries.begin(), entries.end(), after);
    for (; at != entries.end() && at->due_utc <= until && out.size() < most; ++at)
      if (!gone[static_cast<std::size_t>(at - entries.begin())]) out.push_back(*at);
    return out;
  }
  std::vector<DueEntry> entries;
  std::vector<bool> gone;
};

}  // namespace

TEST_CASE("healthy endpoints are looked at daily, give or take a fifth") {
  std::mt19937_64 generator(1);
  UtcTime least = kDay * 2, most = 0;
  for (int i = 0; i < 2000; ++i) {
    const UtcTime wait = next_scan(healthy(), 90 * kDay, kNow, [&] { return generator(); }) - kNow;
    least = std::min(least, wait);
    most = std::max(most, wait);
  }
  CHECK(least >= kDay * 8 / 10);
  CHECK(most <= kDay * 12 / 10);
  CHECK(most - least > kDay / 3);
}

TEST_CASE("failing, due, short-lived and awaited endpoints sooner") {
  const auto wait = [](const EndpointRecord& e, UtcTime lifetime) {
    return next_scan(e, lifetime, kNow, kLowest) - kNow;
  };
  auto e = healthy();
  e.problem = ScanState::timeout;
  const UtcTime failing[] = {5 * kMinute, 15 * kMinute, kHour, 6 * kHour, 6 * kHour};
  for (std::uint16_t i = 0; i < 5; ++i) {
    e.failures = static_cast<std::uint16_t>(i + 1);
    CHECK(wait(e, 90 * kDay) == failing[i]);
  }
  e.failures = 60'000;
  CHECK(wait(e, 90 * kDay) == 6 * kHour);
  e.problem = ScanState::policy;
  CHECK(wait(e, 0) >= kDay * 8 / 10);

  auto due = healthy();
  due.renewal_due_utc = kNow;
  CHECK(wait(due, 90 * kDay) == 6 * kHour);
  due.renewal_due_utc = kNow + 1;
  CHECK(wait(due, 90 * kDay) > 6 * kHour);

  CHECK(wait(healthy(), 2 * kDay) == 2 * kDay / 20);
  CHECK(wait(healthy(), 100) == kMinute);

  auto awaited = healthy();
  awaited.expectation_open = true;
  const UtcTime steps[] = {10, 30, kMinute, 5 * kMinute, 15 * kMinute, kHour, 6 * kHour, 6 * kHour};
  for (std::uint16_t i = 0; i < 8; ++i) {
    awaited.expectation_step = i;
    CHECK(wait(awaited, 90 * kDay) == steps[i]);
  }
}

TEST_CASE("the dispatcher takes what is due once, and again after it was finished") {
  MemoryIndex index;
  for (EndpointId id = 1; id <= 10; ++id) index.entries.insert({kNow + 5, id});
  Dispatcher dispatcher(kNow, 0);
  CHECK(dispatcher.take(index, kNow, 100).empty());
  CHECK(dispatcher.take(index, kNow + 5, 0).empty());
  const auto first = dispatcher.take(index, kNow + 5, 4);
  CHECK(first == std::vector<EndpointId>{1, 2, 3, 4});
  CHECK(dispatcher.take(index, kNow + 5, 100).size() == 6);
  CHECK(dispatcher.in_flight() == 10);
  CHECK(dispatcher.take(index, kNow + 6, 100).empty());
  dispatcher.finished(3);  // still due: its result could not be kept
  CHECK(dispatcher.take(index, kNow + 6, 100) == std::vector<EndpointId>{3});
  index.entries.erase({kNow + 5, 3});
  index.entries.insert({kNow + 300, 3});
  dispatcher.finished(3);
  CHECK(dispatcher.take(index, kNow + 299, 100).empty());
  CHECK(dispatcher.take(index, kNow + 300, 100) == std::vector<EndpointId>{3});
}

TEST_CASE("many in flight neither hide what waits nor make a call expensive") {
  MemoryIndex index;
  for (EndpointId id = 1; id <= 20'000; ++id) index.entries.insert({kNow + 1, id});
  Dispatcher dispatcher(kNow, 0);
  CHECK(dispatcher.take(index, kNow + 1, 5000).size() == 5000);
  index.reads = 0;
  for (int i = 0; i < 1000; ++i) REQUIRE(dispatcher.take(index, kNow + 1, 1).size() == 1);
  CHECK(index.reads < 100'000);
}

TEST_CASE("nothing behind the cursor starves while more and more becomes due") {
  MemoryIndex index;
  for (EndpointId id = 1; id <= 100; ++id) index.entries.insert({kNow + 1, id});
  Dispatcher dispatcher(kNow, 0);
  REQUIRE(dispatcher.take(index, kNow + 1, 50).size() == 50);
  dispatcher.finished(1);  // stays due, behind the cursor
  EndpointId next = 101;
  bool again = false;
  for (UtcTime t = kNow + 2; t < kNow + 200 && !again; ++t) {
    for (int i = 0; i < 20; ++i) index.entries.insert({t, next++});
    for (const EndpointId id : dispatcher.take(index, t, 10)) {
      again = again || id == 1;
      std::erase_if(index.entries, [&](const DueEntry& e) { return e.endpoint == id; });
    }
  }
  CHECK(again);
}

TEST_CASE("a million overdue names are spread over an hour and don't delay a new one") {
  constexpr std::uint64_t kOverdue = 1'000'000;
  FlatIndex index;
  for (EndpointId id = 1; id <= kOverdue; ++id)
    index.entries.push_back({kNow - kDay + static_cast<UtcTime>(id / 20), id});
  index.gone.assign(kOverdue + 1, false);
  index.entries.push_back({kNow + 100, kOverdue + 1});
  Dispatcher dispatcher(kNow, kOverdue);
  std::uint64_t taken = 0, most_per_second = 0;
  UtcTime new_at = 0, done_at = 0;
  for (UtcTime t = kNow; t <= kNow + 2 * kHour && done_at == 0; ++t) {
    const auto ids = dispatcher.take(index, t, 2000);
    most_per_second = std::max<std::uint64_t>(most_per_second, ids.size());
    for (const EndpointId id : ids) {
      if (id == kOverdue + 1) new_at = t;
      index.gone[id - 1] = true;
      dispatcher.finished(id);
    }
    taken += ids.size();
    if (taken == kOverdue + 1) done_at = t;
  }
  CHECK(taken == kOverdue + 1);
  CHECK(new_at == kNow + 100);
  CHECK(most_per_second <= kOverdue / 3600 + 2);
  CHECK(done_at >= kNow + kHour - 60);
  CHECK(done_at <= kNow + kHour + 60);
}

TEST_CASE("a small backlog is gone soon, also when fresh names use all capacity") {
  MemoryIndex index;
  for (EndpointId id = 1; id <= 200; ++id) index.entries.insert({kNow - 10, id});
  Dispatcher dispatcher(kNow, 200);
  EndpointId next = 1000;
  std::set<EndpointId> backlog_taken;
  for (UtcTime t = kNow; t < kNow + 300; ++t) {
    for (int i = 0; i < 3; ++i) index.entries.insert({t, next++});
    for (const EndpointId id : dispatcher.take(index, t, 3)) {
      if (id <= 200) backlog_taken.insert(id);
      std::erase_if(index.entries, [&](const DueEntry& e) { return e.endpoint == id; });
      dispatcher.finished(id);
    }
  }
  CHECK(backlog_taken.size() == 200);
}

TEST_CASE("a clock that steps back stops neither lane") {
  MemoryIndex index;
  Dispatcher dispatcher(kNow, 0);
  const UtcTime earlier = kNow - 10 * 365 * kDay;
  index.entries.insert({kNow + 1, 1});
  CHECK(dispatcher.take(index, kNow + 1, 10).size() == 1);
  index.entries.insert({earlier, 2});
  CHECK(dispatcher.take(index, earlier, 10) == std::vector<EndpointId>{2});
  index.entries.insert({earlier + 5, 3});
  CHECK(dispatcher.take(index, earlier + 5, 10) == std::vector<EndpointId>{3});
}
