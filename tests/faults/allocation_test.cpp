// The n-th allocation of a thread fails, n = 1, 2, 3 … until a run has no failure: while parsing,
// reading, handing over a write, and writing. Each time the caller gets an exception, nothing is
// half done, and the same call succeeds when it is repeated.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <new>

#include "tests/unit/daemon/service/service_fixture.hpp"

namespace {

thread_local long left = 0;  // allocations until the one that fails; 0: none does

void* allocate(std::size_t size) {
  if (left > 0 && --left == 0) throw std::bad_alloc();
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) {
  return allocate(size);
}
void* operator new[](std::size_t size) {
  return allocate(size);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return std::malloc(size == 0 ? 1 : size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace certline::service {

using namespace runtime;
using namespace scans;
namespace {

constexpr long kMost = 20'000;

// Runs work() with the n-th allocation failing, then settled(n), for every n that makes a
// difference; how many those were.
template <class Work, class Settled>
long fail_each(const Work& work, const Settled& settled) {
  for (long n = 1; n < kMost; ++n) {
    left = n;
    bool failed = false;
    try {
      work(n);
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    const bool untouched = left > 0;
    left = 0;
    settled(n);
    if (untouched) {
      CHECK_FALSE(failed);
      return n - 1;
    }
  }
  FAIL("it allocates without end");
  return kMost;
}

const std::vector<std::string> kLines = {
    "command add domain a-rather-long-name.with-many-labels.example.org:8443 apikey " + kKey +
        " starttls smtp",
    "command add domain bücher-und-zeitschriften.example.org apikey " + kKey,
    "command add domain https://www.example.org:8443/path apikey " + kKey,
    "command expiration domain example.org apikey " + kKey + " ip 2001:db8::1 wait 30",
    "command domains apikey " + kKey + " after a-rather-long-name.with-many-labels.example.org",
    "command claim email somebody.with.a.long.name@example.org apikey " + kKey,
    "command nonsense with words that nobody knows",
};

}  // namespace

TEST_CASE("an allocation that fails while a line is parsed or its reply rendered") {
  long runs = 0;
  for (const std::string& line : kLines) {
    const auto answer = [&line] {
      const auto request = parse_line(line, DomainRules{});
      return request ? std::string("parsed") : render_line(request.error());
    };
    const std::string wanted = answer();
    std::string got;
    runs += fail_each([&](long) { got = answer(); }, [&](long) { REQUIRE(answer() == wanted); });
    CHECK(got == wanted);
  }
  CHECK(runs > 20);
}

TEST_CASE("an allocation that fails within a read leaves the service as it was") {
  ServiceFixture fixture;
  for (int i = 0; i < 20; ++i) {
    REQUIRE(fixture.code("command add domain n" + std::to_string(i) +
                         ".a-name-beyond-small-strings.example.org apikey " + kKey) == 200);
  }
  long runs = 0;
  const std::vector<std::string> lines = {
      "command expiration domain n7.a-name-beyond-small-strings.example.org apikey " + kKey,
      "command domains apikey " + kKey, "command status",
      "command expiration domain unknown.example.org apikey " + kKey};
  for (const std::string& line : lines) {
    const std::string wanted = fixture.line(line);
    runs += fail_each([&](long) { fixture.line(line); },
                      [&](long) { REQUIRE(fixture.line(line) == wanted); });
  }
  CHECK(runs > 20);
}

TEST_CASE("an allocation that fails while a write is handed over: it is done, or it is not") {
  ServiceFixture fixture;
  const auto name = [](long n) { return "name-" + std::to_string(n) + ".example.org"; };
  bool acknowledged = false;
  const long runs = fail_each(
      [&](long n) {
        acknowledged = false;
        acknowledged = fixture.code("command add domain " + name(n) + " apikey " + kKey) == 200;
      },
      [&](long n) {
        const int code = fixture.code("command expiration domain " + name(n) + " apikey " + kKey);
        REQUIRE((!acknowledged || code == 200));
        REQUIRE(fixture.code("command add domain " + name(n) + " apikey " + kKey) == 200);
      });
  CHECK(runs > 5);
  CHECK(acknowledged);
}

TEST_CASE("an allocation that fails within a write undoes all of it") {
  ServiceFixture fixture;
  const std::string host = "scanned.example.org";
  REQUIRE(fixture.code("command add domain " + host + " apikey " + kKey) == 200);
  const auto id = fixture.store->read().endpoints.named(host, 443, Starttls::none).value();
  std::vector<AddressObservation> addresses;
  for (const char* text : {"192.0.2.1", "192.0.2.2"}) {
    addresses.push_back(fixture.address(text, ScanState::ok, "leaf at " + std::string(text)));
  }
  const Observation seen = fixture.seen(std::move(addresses));
  const Random random = [] { return std::uint64_t{1} << 63; };
  auto outcome = store::CommitOutcome::failed;
  long n = 0;
  while (outcome != store::CommitOutcome::committed && ++n < kMost) {
    bool swallowed = false;
    outcome = fixture.store->write([&](store::WriteView& view) {
      left = n;  // on the writer's thread
      apply_scan(view, id, {host, 443, Starttls::none}, seen,
                 {fixture.settings->config, fixture.time, random});
      swallowed = left == 0;
      left = 0;
    });
    REQUIRE_FALSE(swallowed);
    const bool done = outcome == store::CommitOutcome::committed;
    REQUIRE((done || outcome == store::CommitOutcome::failed));
    const auto counts = fixture.store->read().counts();
    REQUIRE(counts.addresses == (done ? 2 : 0));
    REQUIRE(counts.certificates == (done ? 2 : 0));
  }
  CHECK(outcome == store::CommitOutcome::committed);
  CHECK(n > 30);
}

}  // namespace certline::service
