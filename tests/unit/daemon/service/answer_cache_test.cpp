// The cache of answers by itself: exact, bounded, growing.
#include "daemon/service/answer_cache.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <thread>

using namespace certline;
using namespace certline::service;

namespace {

AnswerCache::Answer answer(std::uint32_t number) {
  AnswerCache::Answer a;
  a.addresses = number;
  a.not_after_utc = 1'800'000'000 + number;
  return a;
}

std::string name(std::uint32_t number) {
  return "n" + std::to_string(number) + ".example.org";
}

const std::string kKey = "aaaaaaaaaaaaaaaa0001";

}  // namespace

TEST_CASE("an answer is found by its own two texts only") {
  AnswerCache cache(10'000);
  cache.keep("a.example.org", kKey, answer(1));
  CHECK(cache.find("a.example.org", kKey)->addresses == 1);
  CHECK_FALSE(cache.find("A.example.org", kKey));
  CHECK_FALSE(cache.find("a.example.or", "g" + kKey));
  CHECK_FALSE(cache.find("a.example.org", "bbbbbbbbbbbbbbbb0002"));
  CHECK_FALSE(cache.find("", ""));
  cache.keep("a.example.org", kKey, answer(2));
  CHECK(cache.find("a.example.org", kKey)->addresses == 2);
  CHECK(cache.find("a.example.org", kKey)->not_after_utc == 1'800'000'002);
}

TEST_CASE("the cache grows to its limit, and beyond it the answers make room for each other") {
  constexpr std::uint32_t kMost = 8192;
  AnswerCache cache(kMost);
  const auto kept = [&](std::uint32_t names) {
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < names; ++i) {
      const auto found = cache.find(name(i), kKey);
      if (!found) continue;
      REQUIRE(found->addresses == i);
      ++count;
    }
    return count;
  };
  for (std::uint32_t i = 0; i < kMost / 2; ++i) cache.keep(name(i), kKey, answer(i));
  CHECK(kept(kMost / 2) > kMost / 2 * 9 / 10);
  for (std::uint32_t i = 0; i < 4 * kMost; ++i) cache.keep(name(i), kKey, answer(i));
  const std::uint32_t after = kept(4 * kMost);
  CHECK(after <= kMost);
  CHECK(after > kMost * 9 / 10);
}

TEST_CASE("details have a budget: beyond it answers that have none are kept all the same") {
  constexpr std::uint32_t kNames = 100'000;
  AnswerCache cache(2 * kNames);
  AnswerCache::Answer failing = answer(1);
  failing.detail = std::make_shared<const std::string>(2000, 'd');
  std::size_t bytes = 0;
  for (std::uint32_t i = 0; i < kNames; ++i) cache.keep(name(i), kKey, failing);
  for (std::uint32_t i = 0; i < kNames; ++i) {
    if (const auto found = cache.find(name(i), kKey)) bytes += found->detail->size();
  }
  CHECK(bytes <= AnswerCache::kDetailBytes);
  CHECK(bytes > AnswerCache::kDetailBytes * 9 / 10);
  cache.keep("well.example.org", kKey, answer(7));
  CHECK(cache.find("well.example.org", kKey)->addresses == 7);
  // What makes room takes its detail along.
  for (std::uint32_t i = 0; i < kNames; ++i) cache.keep(name(i), kKey, answer(i));
  cache.keep(name(0), kKey, failing);
  CHECK(cache.find(name(0), kKey)->detail != nullptr);
}

TEST_CASE("what is too long for a slot is not kept, and a cache of nothing keeps nothing") {
  AnswerCache cache(10'000);
  const std::string longest(80 - kKey.size(), 'n'), too_long(81 - kKey.size(), 'n');
  cache.keep(longest, kKey, answer(1));
  cache.keep(too_long, kKey, answer(2));
  CHECK(cache.find(longest, kKey));
  CHECK_FALSE(cache.find(too_long, kKey));
  AnswerCache none(0);
  none.keep("a.example.org", kKey, answer(1));
  CHECK_FALSE(none.find("a.example.org", kKey));
}

TEST_CASE("threads may keep and find at once") {
  constexpr std::uint32_t kNames = 3000;
  AnswerCache cache(100'000);
  const auto work = [&](std::uint32_t first) {
    for (std::uint32_t i = 0; i < kNames + 1000; ++i) {
      cache.keep(name((first + i) % kNames), kKey, answer((first + i) % kNames));
      const auto found = cache.find(name(i % kNames), kKey);
      if (found && found->addresses != i % kNames)
        throw std::runtime_error("another name's answer");
    }
  };
  std::thread other(work, 1500);
  work(0);
  other.join();
  // Most are there. Which ones are not depends on who came first: a set may be full while the cache
  // is not, and one that was there has to make way.
  std::uint32_t kept = 0;
  for (std::uint32_t i = 0; i < kNames; ++i) kept += cache.find(name(i), kKey).has_value();
  CHECK(kept > kNames * 9 / 10);
}
