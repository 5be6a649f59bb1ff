// The rules of waiting: order, rests, and when a delivery is given up.
#include "daemon/notices/delivery_queue.hpp"

#include <catch2/catch.hpp>

namespace certline::notices {

using namespace runtime;
namespace {

constexpr UtcTime kStart = 1'800'000'000;
constexpr UtcTime kMinute = 60, kHour = 3600;

std::vector<std::uint64_t> ids(DeliveryQueue& queue, UtcTime now) {
  std::vector<std::uint64_t> out;
  for (const auto& [channel, id] : queue.begin(now)) out.push_back(id);
  return out;
}

using Ids = std::vector<std::uint64_t>;

DeliveryQueue::Next end(DeliveryQueue& queue, std::uint64_t id, HandoverOutcome outcome,
                        UtcTime now, const std::string& channel = "a") {
  const auto next = queue.ended(id, outcome, now);
  CHECK(ids(queue, now).empty());  // not before it is written
  queue.release(channel);
  return next;
}

}  // namespace

TEST_CASE("pauses grow to four hours") {
  const std::vector<UtcTime> minutes{1, 2, 5, 10, 30, 60, 120, 240, 240, 240};
  for (std::uint32_t i = 0; i < minutes.size(); ++i) CHECK(pause_after(i + 1) == 60 * minutes[i]);
  CHECK(pause_after(0) == 60);
}

TEST_CASE("one at a time, in order, and channels beside each other") {
  DeliveryQueue queue(600, 120);
  queue.add("a", 3, kStart, 0);
  queue.add("a", 1, kStart, 0);
  queue.add("b", 2, kStart, 0);
  queue.add("b", 2, kStart, 0);  // known
  CHECK(queue.size() == 3);
  CHECK(ids(queue, kStart) == Ids{1, 2});
  CHECK(ids(queue, kStart).empty());
  CHECK(end(queue, 1, HandoverOutcome::delivered, kStart).gone);
  CHECK(ids(queue, kStart) == Ids{3});
  CHECK_FALSE(end(queue, 3, HandoverOutcome::delivered, kStart).dead);
  CHECK(queue.size() == 1);
  CHECK_FALSE(queue.next_time(kStart).has_value());
}

TEST_CASE("one that is put back lets the others pass") {
  DeliveryQueue queue(600, 120);
  for (const std::uint64_t id : {1, 2}) queue.add("a", id, kStart, 0);
  CHECK(ids(queue, kStart) == Ids{1});
  const auto next = end(queue, 1, HandoverOutcome::put_back, kStart);
  CHECK_FALSE(next.gone);
  CHECK(next.at == kStart + kMinute);
  CHECK(ids(queue, kStart) == Ids{2});
  end(queue, 2, HandoverOutcome::delivered, kStart);
  CHECK(queue.next_time(kStart) == kStart + kMinute);
  CHECK(ids(queue, kStart + 59).empty());
  CHECK(ids(queue, kStart + 60) == Ids{1});
  CHECK(end(queue, 1, HandoverOutcome::put_back, kStart + 60).at == kStart + 3 * kMinute);
}

TEST_CASE("behind one that found nobody there all wait, and the order stays") {
  DeliveryQueue queue(600, 120);
  for (const std::uint64_t id : {1, 2, 3}) queue.add("a", id, kStart, 0);
  CHECK(ids(queue, kStart) == Ids{1});
  CHECK(end(queue, 1, HandoverOutcome::nobody, kStart).at == kStart + kMinute);
  CHECK(ids(queue, kStart + 30).empty());
  CHECK(queue.next_time(kStart) == kStart + kMinute);
  CHECK(ids(queue, kStart + 60) == Ids{1});
  end(queue, 1, HandoverOutcome::nobody, kStart + 60);
  CHECK(queue.next_time(kStart + 60) == kStart + 3 * kMinute);
  // What is new is worth a look sooner, but not each time, and the oldest goes first.
  queue.add("a", 4, kStart + 70, 0);
  CHECK(ids(queue, kStart + 119).empty());
  CHECK(queue.next_time(kStart + 70) == kStart + 120);
  CHECK(ids(queue, kStart + 120) == Ids{1});
  end(queue, 1, HandoverOutcome::delivered, kStart + 120);
  for (const std::uint64_t id : {2, 3, 4}) {
    CHECK(ids(queue, kStart + 120) == Ids{id});
    end(queue, id, HandoverOutcome::delivered, kStart + 120);
  }
  CHECK(queue.size() == 0);
}

TEST_CASE("a day after its creation a delivery is given up") {
  DeliveryQueue queue(600, 120);
  queue.add("a", 1, kStart, 0);
  UtcTime now = kStart;
  int attempts = 0;
  while (true) {
    REQUIRE(ids(queue, now) == Ids{1});
    ++attempts;
    const auto next = end(queue, 1, HandoverOutcome::put_back, now);
    if (next.gone) {
      CHECK(next.dead);
      break;
    }
    CHECK(queue.next_time(now) == next.at);
    now = next.at;
  }
  CHECK(now == kStart + 24 * kHour);
  CHECK(attempts == 14);  // 0, 1, 3, 8, 18, 48 min, 1:48, 3:48, 7:48 … 19:48, 23:48, 24 h
  CHECK(queue.size() == 0);
}

TEST_CASE("what waited for a day behind another goes with it") {
  DeliveryQueue queue(600, 120);
  for (const std::uint64_t id : {1, 2}) queue.add("a", id, kStart, 0);
  queue.add("a", 3, kStart + 20 * kHour, 0);
  UtcTime now = kStart;
  DeliveryQueue::Next next;
  for (int i = 0; i < 200 && !next.gone; ++i) {
    REQUIRE(ids(queue, now) == Ids{1});
    next = end(queue, 1, HandoverOutcome::nobody, now);
    if (!next.gone) now = *queue.next_time(now);
  }
  CHECK(next.dead);
  CHECK(now == kStart + 24 * kHour);
  CHECK(next.late == Ids{2});
  CHECK(queue.size() == 1);
  CHECK(queue.knows(3));
}

TEST_CASE("a refusal is for good, and a stop counts for nothing") {
  DeliveryQueue queue(600, 120);
  for (const std::uint64_t id : {1, 2}) queue.add("a", id, kStart, 0);
  ids(queue, kStart);
  CHECK_FALSE(end(queue, 1, HandoverOutcome::stopped, kStart).gone);
  CHECK(ids(queue, kStart) == Ids{1});
  CHECK(end(queue, 1, HandoverOutcome::refused, kStart).dead);
  CHECK(ids(queue, kStart) == Ids{2});
  queue.vanished(2);
  CHECK(queue.size() == 0);
}

TEST_CASE("a channel's rate is bounded") {
  DeliveryQueue queue(3, 2);
  for (std::uint64_t id = 0; id < 10; ++id) {
    queue.add("mail", 2 * id, kStart, 0);
    queue.add("a", 2 * id + 1, kStart, 0);
  }
  const auto drain = [&](UtcTime now) {
    std::size_t done = 0;
    for (auto begun = queue.begin(now); !begun.empty(); begun = queue.begin(now)) {
      done += begun.size();
      for (const auto& [channel, id] : begun) {
        queue.ended(id, HandoverOutcome::delivered, now);
        queue.release(channel);
      }
    }
    return done;
  };
  CHECK(drain(kStart) == 5);
  CHECK(queue.next_time(kStart) == kStart + 60);
  CHECK(drain(kStart + 59) == 0);
  CHECK(drain(kStart + 60) == 5);
}

}  // namespace certline::notices
