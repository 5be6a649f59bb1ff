// Whole scans: from names to rows, the policy on each final address, several addresses at once,
// limits, reconfiguration and shutdown.

#include "scanner/scanner.hpp"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <future>

#include "scripted_dns.hpp"

using namespace certline;
using namespace certline::scanner;
using namespace certline::scanner::test;

namespace {

ScannerSettings settings(std::vector<std::string> allow = {"127.0.0.0/8"}) {
  std::vector<Network> networks;
  for (const std::string& text : allow) networks.push_back(Network::parse(text).value());
  ScannerSettings s;
  s.policy = std::make_shared<const AddressPolicy>(networks, interface_addresses);
  s.threads = 2;
  return s;
}

std::unique_ptr<Scanner> make(
    ScannerSettings s, std::shared_ptr<pki::Verifier> v = std::make_shared<FixedVerifier>()) {
  return Scanner::create(std::move(s), std::move(v), [] { return pki::test::kNow; });
}

Observation scan(Scanner& scanner, Target target) {
  std::promise<Observation> promise;
  auto future = promise.get_future();
  scanner.scan(std::move(target), [&](Observation o) { promise.set_value(std::move(o)); });
  return future.get();
}

Resolver at(const ScriptedDns& dns) {
  return {IpAddress::v4(INADDR_LOOPBACK), dns.port()};
}

// Counts who is inside at once: a probe keeps its place at the address until it is judged.
class CountingVerifier final : public pki::Verifier {
 public:
  pki::Verdict judge(const pki::ChainInput& input) override {
    const int inside = ++inside_;
    for (int seen = most_; seen < inside && !most_.compare_exchange_weak(seen, inside);) {
    }
    pki::Verdict verdict = fixed_.judge(input);
    --inside_;
    return verdict;
  }
  void set_trust(std::shared_ptr<const pki::TrustStore>) override {}
  int most() const { return most_; }

 private:
  FixedVerifier fixed_;
  std::atomic<int> inside_{0}, most_{0};
};

const pki::test::Made& leaf() {
  static const pki::test::Made root = pki::test::make_root("root");
  static const pki::test::Made made = pki::test::make_leaf(root);
  return made;
}

}  // namespace

TEST_CASE("one row per address, ascending, each with its own state") {
  const TlsServerContext tls({&leaf()}, {});
  LoopbackServer server([&](int fd, int) { tls.serve(fd); }, 0x7f000002);
  ScriptedDns dns([](const DnsQuestion& q) -> DnsAnswer {
    if (q.type != kTypeA) return {};
    return {0, {a_record(0x7f000003), a_record(0x0a000001), a_record(0x7f000002)}};
  });
  ScannerSettings s = settings();
  s.resolvers = {at(dns)};
  const Observation o = scan(*make(s), {"www.example.org", server.port(), Starttls::none});
  CHECK(o.resolution == ScanState::ok);
  CHECK(o.started_utc == pki::test::kNow);
  CHECK(o.finished_utc == pki::test::kNow);
  REQUIRE(o.addresses.size() == 3);
  CHECK(o.addresses[0].address.to_string() == "10.0.0.1");
  CHECK(o.addresses[0].state == ScanState::policy);
  CHECK(o.addresses[0].detail.find("scanner.allow = [\"10.0.0.0/8\"]") != std::string::npos);
  CHECK(o.addresses[1].state == ScanState::ok);
  CHECK(o.addresses[1].chain.size() == 1);
  CHECK(o.addresses[2].address.to_string() == "127.0.0.3");
  CHECK(o.addresses[2].state == ScanState::refused);
}

TEST_CASE("a server that alternates between public and private never gets a connection") {
  LoopbackServer server([](int fd, int) { hear_all(fd); });
  std::atomic<int> asked{0};
  ScriptedDns dns([&](const DnsQuestion& q) -> DnsAnswer {
    if (q.type != kTypeA) return {};
    return {0, {a_record(asked++ % 2 == 0 ? INADDR_LOOPBACK : 0xc0000201)}};
  });
  ScannerSettings s = settings({});
  s.resolvers = {at(dns)};
  const auto scanner = make(s);
  for (int i = 0; i < 4; ++i) {
    const Observation o = scan(*scanner, {"rebind.example.org", server.port(), Starttls::none});
    REQUIRE(o.addresses.size() == 1);
    CHECK(o.addresses[0].state == ScanState::policy);
  }
  CHECK(server.accepted() == 0);
}

// The address that was judged is the one connected to, whatever the resolver says a moment later.
TEST_CASE("a name is looked up once per scan, and what was judged is what is connected to") {
  const TlsServerContext tls({&leaf()}, {});
  LoopbackServer open([&](int fd, int) { tls.serve(fd); }, 0x7f000002);
  LoopbackServer inner([](int fd, int) { hear_all(fd); }, INADDR_LOOPBACK, open.port());
  std::atomic<int> asked{0};
  ScriptedDns dns([&](const DnsQuestion& q) -> DnsAnswer {
    if (q.type != kTypeA) return {};
    const bool first = asked++ % 2 == 0;
    if (q.name == "both.example.org") return {0, {a_record(0x7f000001), a_record(0x7f000002)}};
    return {0, {a_record(first ? 0x7f000002 : 0x7f000001)}};
  });
  ScannerSettings s = settings({"127.0.0.2/32"});
  s.resolvers = {at(dns)};
  const auto scanner = make(s);
  for (int i = 0; i < 6; ++i) {
    const Observation o = scan(*scanner, {"rebind.example.org", open.port(), Starttls::none});
    REQUIRE(o.addresses.size() == 1);
    CHECK(o.addresses[0].address.to_string() == (i % 2 == 0 ? "127.0.0.2" : "127.0.0.1"));
    CHECK(o.addresses[0].state == (i % 2 == 0 ? ScanState::ok : ScanState::policy));
    CHECK(asked == i + 1);
  }
  const Observation both = scan(*scanner, {"both.example.org", open.port(), Starttls::none});
  REQUIRE(both.addresses.size() == 2);
  CHECK(both.addresses[0].state == ScanState::policy);
  CHECK(both.addresses[1].state == ScanState::ok);
  CHECK(open.accepted() == 4);
  CHECK(inner.accepted() == 0);
}

TEST_CASE("address targets ask no resolver; names that fail have no rows") {
  ScriptedDns dns([](const DnsQuestion&) { return DnsAnswer{3}; });
  ScannerSettings s = settings();
  s.resolvers = {at(dns)};
  const auto scanner = make(s);
  const Observation literal = scan(*scanner, {"169.254.169.254", 80, Starttls::none});
  CHECK(literal.resolution == ScanState::ok);
  REQUIRE(literal.addresses.size() == 1);
  CHECK(literal.addresses[0].state == ScanState::policy);
  const Observation none = scan(*scanner, {"gone.example.org", 443, Starttls::none});
  CHECK(none.resolution == ScanState::no_address);
  CHECK(none.addresses.empty());
  CHECK_FALSE(none.detail.empty());
}

TEST_CASE("what is proven is handed on") {
  const pki::test::Made root = pki::test::make_root("root");
  const TlsServerContext tls({&leaf(), &root}, {});
  LoopbackServer server([&](int fd, int) { tls.serve(fd); });
  const Observation o = scan(*make(settings()), {"127.0.0.1", server.port(), Starttls::none});
  REQUIRE(o.proven_intermediates.size() == 1);
  CHECK(o.proven_intermediates[0].der == root.observed().der);
}

TEST_CASE("at most per_address probes are at one address at once") {
  const TlsServerContext tls({&leaf()}, {});
  LoopbackServer server([&](int fd, int) { tls.serve(fd); });
  ScannerSettings s = settings();
  s.per_address = 1;
  std::mutex mutex;
  std::condition_variable all_done;
  int done = 0, ok = 0;
  const auto verifier = std::make_shared<CountingVerifier>();
  const auto scanner = make(s, verifier);
  constexpr int kScans = 40;
  for (int i = 0; i < kScans; ++i) {
    if (i == kScans / 2) scanner->reconfigure(s);
    scanner->scan({"127.0.0.1", server.port(), Starttls::none}, [&](Observation o) {
      const std::lock_guard lock(mutex);
      ok += o.addresses.at(0).state == ScanState::ok;
      if (++done == kScans) all_done.notify_one();
    });
  }
  std::unique_lock lock(mutex);
  all_done.wait(lock, [&] { return done == kScans; });
  CHECK(ok == kScans);
  CHECK(verifier->most() == 1);
}

TEST_CASE("a scanner that is destroyed ends what is under way, without callbacks") {
  std::promise<void> connected;
  std::atomic<bool> told{false};
  LoopbackServer server([&](int fd, int) {
    if (!told.exchange(true)) connected.set_value();
    hear_all(fd);
  });
  ScriptedDns dns([](const DnsQuestion&) -> std::optional<DnsAnswer> { return std::nullopt; });
  ScannerSettings s = settings();
  s.resolvers = {at(dns)};
  s.per_address = 2;
  std::atomic<int> callbacks{0};
  auto scanner = make(s);
  for (int i = 0; i < 20; ++i) {
    const std::string host = i % 2 == 0 ? "127.0.0.1" : "silent.example.org";
    scanner->scan({host, server.port(), Starttls::none}, [&](const Observation&) { ++callbacks; });
  }
  connected.get_future().wait();
  scanner.reset();
  CHECK(callbacks == 0);
}

TEST_CASE("reconfigured settings serve the scans that follow") {
  LoopbackServer server([](int fd, int) { hear(fd); });
  const auto scanner = make(settings({}));
  const Target target{"127.0.0.1", server.port(), Starttls::none};
  CHECK(scan(*scanner, target).addresses.at(0).state == ScanState::policy);
  scanner->reconfigure(settings());
  CHECK(scan(*scanner, target).addresses.at(0).state == ScanState::tls_error);
}
