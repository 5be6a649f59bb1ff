// Which of the daemon's own names the operator watches.
#include "daemon/service/own_watches.hpp"

#include "tests/unit/daemon/service/service_fixture.hpp"

using namespace certline;
using namespace certline::service;

TEST_CASE("own names are watched for the operator, and no longer when they are others") {
  ServiceFixture f;
  const IpAddress address = IpAddress::v4(0x7f000001);
  const auto settle = [&](std::vector<scanner::OwnEndpoint> own) {
    if (auto job = watch_own_names(*f.parts, f.settings, std::move(own))) {
      f.store->submit(std::move(job));
    }
    REQUIRE(f.store->write([](store::WriteView&) {}) == store::CommitOutcome::committed);
    std::vector<std::string> names;
    for (const auto& [name, watch] : f.store->read().watches.of(kOperatorAccount, "").first(10)) {
      names.push_back(name);
    }
    return names;
  };
  CHECK(watch_own_names(*f.parts, f.settings, {}) == nullptr);
  CHECK(settle({{"a.test", 10024, address}, {"a.test", 443, address}, {"::1", 443, address}}) ==
        std::vector<std::string>{"[::1]", "a.test", "a.test:10024"});
  const auto id = f.store->read().endpoints.named("a.test", 10024, Starttls::none);
  REQUIRE(id);
  CHECK(f.store->read().endpoints.find(*id)->next_scan_utc == f.time);
  f.time += 100;
  CHECK(settle({{"a.test", 10024, address}}) == std::vector<std::string>{"a.test:10024"});
  CHECK(f.store->read().endpoints.find(*id)->next_scan_utc ==
        f.time);  // another certificate: look now
  CHECK(f.store->read().counts().endpoints == 1);
  CHECK(settle({}).empty());
  CHECK(f.store->read().counts().endpoints == 0);
}
