// Token buckets and connection counts under an injected clock.
#include "daemon/server/source_limits.hpp"

#include <catch2/catch.hpp>

using namespace certline;
using namespace certline::server;
using namespace std::chrono_literals;

namespace {
const IpAddress kSource = *IpAddress::parse("192.0.2.1");
const SteadyTime kStart{std::chrono::hours(100)};
}  // namespace

TEST_CASE("a bucket gives its burst, then its rate, and says how long to wait") {
  TokenBucket bucket;
  for (int i = 0; i < 5; ++i) CHECK(bucket.take(60, 5, kStart) == 0);
  CHECK(bucket.take(60, 5, kStart) == 1);
  CHECK(bucket.take(60, 5, kStart + 999ms) == 1);
  CHECK(bucket.take(60, 5, kStart + 1s) == 0);
  CHECK(bucket.take(60, 5, kStart + 1s) == 1);
  CHECK_FALSE(bucket.full(60, kStart + 5s));
  CHECK(bucket.full(60, kStart + 6s));
  CHECK(bucket.take(1, 5, kStart + 3600s) == 0);
}

TEST_CASE("connections are counted per source, IPv6 by its /64") {
  SourceLimits limits;
  CHECK(limits.connected(kSource, 2));
  CHECK(limits.connected(kSource, 2));
  CHECK_FALSE(limits.connected(kSource, 2));
  limits.disconnected(kSource);
  CHECK(limits.connected(kSource, 2));
  CHECK(limits.connected(*IpAddress::parse("2001:db8::1"), 1));
  CHECK_FALSE(limits.connected(*IpAddress::parse("2001:db8::ffff:1"), 1));
  CHECK(limits.connected(*IpAddress::parse("2001:db8:0:1::1"), 1));
}

TEST_CASE("requests are limited per source and per key; loopback is exempt by default") {
  RateLimits rates;
  rates.source_burst = 3;
  rates.source_per_minute = 60;
  rates.key_burst = 2;
  rates.key_per_minute = 6;
  SourceLimits limits;
  CHECK(limits.request(kSource, "k1", rates, kStart) == 0);
  CHECK(limits.request(kSource, "k1", rates, kStart) == 0);
  CHECK(limits.request(kSource, "k1", rates, kStart) == 10);
  CHECK(limits.request(kSource, "k2", rates, kStart) == 1);
  const IpAddress other = *IpAddress::parse("192.0.2.2");
  CHECK(limits.request(other, "k1", rates, kStart) == 10);
  CHECK(limits.request(other, "", rates, kStart) == 0);
  for (int i = 0; i < 100; ++i) {
    CHECK(limits.request(*IpAddress::parse("127.0.0.9"), "k1", rates, kStart) == 0);
    CHECK(limits.request(*IpAddress::parse("::1"), "k1", rates, kStart) == 0);
  }
  rates.exempt_loopback = false;
  CHECK(limits.request(*IpAddress::parse("127.0.0.9"), "k9", rates, kStart) == 0);
}

TEST_CASE("a source that only connected is forgotten when it leaves, one that asked is not") {
  const RateLimits rates;
  SourceLimits limits;
  CHECK(limits.connected(kSource, 2));
  CHECK(limits.connected(kSource, 2));
  limits.disconnected(kSource);
  CHECK(limits.tracked() == 1);
  limits.disconnected(kSource);
  CHECK(limits.tracked() == 0);
  CHECK(limits.connected(kSource, 2));
  CHECK(limits.request(kSource, "", rates, kStart) == 0);
  limits.disconnected(kSource);
  CHECK(limits.tracked() == 1);
}

TEST_CASE("a flood of sources is forgotten again") {
  RateLimits rates;
  SourceLimits limits;
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    const auto now = kStart + std::chrono::milliseconds(i);
    REQUIRE(limits.request(IpAddress::v4(0x0b000000 + i), "key" + std::to_string(i), rates, now) ==
            0);
  }
  CHECK(limits.tracked() < 20'000);
}
