// The handlers over a real store: registration, ownership, idempotence, quota, and replies to
// clients.
#include <catch2/catch.hpp>

#include "tests/unit/daemon/service/service_fixture.hpp"

using namespace certline;
using namespace certline::runtime;
using namespace certline::service;

namespace {
std::string add(const std::string& domain, const std::string& key, const std::string& more = "") {
  return "command add domain " + domain + " apikey " + key + more;
}
}  // namespace

TEST_CASE("add registers an unknown key and answers the same twice") {
  ServiceFixture f;
  const std::string first = f.line(add("Fish.EnigmaBridge.com", kKey));
  CHECK(first.find("key da70d5e4864f57e910e66bd21c685b26 domain fish.enigmabridge.com\n") !=
        std::string::npos);
  CHECK(f.line(add("fish.enigmabridge.com", kKey)) == first);
  CHECK(f.store->read().counts().watches == 1);
}

TEST_CASE("a key sees only its own account's names; foreign and unknown look alike") {
  ServiceFixture f;
  REQUIRE(f.code(add("a.example.org", kKey)) == 200);
  REQUIRE(f.code(add("b.example.org", kOther)) == 200);
  const std::string foreign = f.line("command expiration domain b.example.org apikey " + kKey);
  const std::string unknown = f.line("command expiration domain c.example.org apikey " + kKey);
  CHECK(foreign == unknown);
  CHECK(foreign.find("404") != std::string::npos);
  CHECK(f.code("command expiration domain a.example.org apikey cccccccccccccccc0003") == 401);
  CHECK(f.code("command remove domain b.example.org apikey " + kKey) == 404);
  CHECK(f.code("command scan domain b.example.org apikey " + kKey) == 404);
  CHECK(f.line("command domains apikey " + kKey).find("data a.example.org\n") == 0);
}

TEST_CASE("two accounts share one endpoint; it goes with the last of them") {
  ServiceFixture f;
  REQUIRE(f.code(add("a.example.org", kKey)) == 200);
  REQUIRE(f.code(add("https://a.example.org/x", kOther)) == 200);
  CHECK(f.store->read().counts().endpoints == 1);
  REQUIRE(f.code("command remove domain a.example.org apikey " + kKey) == 200);
  CHECK(f.store->read().counts().endpoints == 1);
  REQUIRE(f.code("command remove domain a.example.org apikey " + kOther) == 200);
  CHECK(f.store->read().counts().endpoints == 0);
  CHECK(f.code("command remove domain a.example.org apikey " + kOther) == 404);
}

TEST_CASE("registration open, claim, closed") {
  Config config;
  config.registration = Registration::claim;
  ServiceFixture claim(config);
  CHECK(claim.code(add("a.example.org", kKey)) == 401);
  CHECK(claim.code("command claim email a@example.org apikey " + kKey) == 200);
  CHECK(claim.code(add("a.example.org", kKey)) == 200);

  config.registration = Registration::closed;
  ServiceFixture closed(config);
  CHECK(closed.code(add("a.example.org", kKey)) == 405);
  CHECK(closed.code("command claim email a@example.org apikey " + kKey) == 405);
}

TEST_CASE("claim binds a key to an account once") {
  ServiceFixture f;
  CHECK(f.line("command claim email A@Example.org apikey " + kKey).find("created") !=
        std::string::npos);
  CHECK(f.line("command claim email a@example.org apikey " + kKey).find("already yours") !=
        std::string::npos);
  CHECK(f.code("command claim email b@example.org apikey " + kKey) == 409);
}

TEST_CASE("names added before a claim come along; doubles stay once") {
  ServiceFixture f;
  REQUIRE(f.code("command claim email a@example.org apikey " + kKey) == 200);
  REQUIRE(f.code(add("both.example.org", kKey)) == 200);
  REQUIRE(f.code(add("both.example.org", kOther)) == 200);
  REQUIRE(f.code(add("new.example.org", kOther)) == 200);
  REQUIRE(f.code("command claim email a@example.org apikey " + kOther) == 200);
  CHECK(f.line("command domains apikey " + kKey).find("data both.example.org new.example.org\n") ==
        0);
  CHECK(f.line("command domains apikey " + kOther) == f.line("command domains apikey " + kKey));
  CHECK(f.store->read().counts().accounts == 1);
  CHECK(f.store->read().keys.find(pki::sha256(kOther))->names == 1);
  const auto id = f.store->read().endpoints.named("both.example.org", 443, Starttls::none);
  CHECK(f.store->read().endpoints.find(*id)->watchers == 1);
}

TEST_CASE("names per key are limited, and removing makes room") {
  Config config;
  config.accounts.names_per_key = 2;
  ServiceFixture f(config);
  CHECK(f.code(add("a.example.org", kKey)) == 200);
  CHECK(f.code(add("b.example.org", kKey)) == 200);
  CHECK(f.code(add("c.example.org", kKey)) == 429);
  CHECK(f.code(add("a.example.org", kKey)) == 200);
  CHECK(f.code("command remove domain a.example.org apikey " + kKey) == 200);
  CHECK(f.code(add("c.example.org", kKey)) == 200);
}

TEST_CASE("a forbidden address is refused at once") {
  ServiceFixture f;
  CHECK(f.line(add("10.1.2.3", kKey)).find("scanner.allow") != std::string::npos);
  CHECK(f.code(add("10.1.2.3", kKey)) == 403);
  CHECK(f.code(add("[::1]:443", kKey)) == 403);
  CHECK(f.store->read().counts().accounts == 0);
}

TEST_CASE("a full store refuses new names while everything else works") {
  ServiceFixture f({}, 1u << 20);
  REQUIRE(f.code(add("n0.example.org", kKey)) == 200);
  REQUIRE(f.code(add("n1.example.org", kKey)) == 200);
  const std::vector<std::uint8_t> ballast(4000, 0x30);
  for (int i = 0; f.store->used_fraction() < 0.9 && i < 1000; ++i) {
    f.store->write([&](store::WriteView& view) {
      view.certificates.put_intermediate(pki::sha256(std::to_string(i)), ballast);
    });
  }
  CHECK(f.code(add("one-more.example.org", kKey)) == 507);
  CHECK(f.code(add("one-more.example.org", kOther)) == 507);
  CHECK(f.code("command claim email a@example.org apikey " + kOther) == 507);
  CHECK(f.code(add("n0.example.org", kKey)) == 200);
  CHECK(f.code("command scan domain n0.example.org apikey " + kKey) == 200);
  CHECK(f.code("command expiration domain n1.example.org apikey " + kKey) == 200);
  CHECK(f.code("command remove domain n1.example.org apikey " + kKey) == 200);
}

TEST_CASE("a full store has room for each name's first scan, and for its removal") {
  ServiceFixture f({}, 1u << 20);
  const auto name = [](int i) { return "n" + std::to_string(i) + ".example.org"; };
  int names = 0;
  while (f.code(add(name(names), kKey)) == 200) ++names;
  REQUIRE(f.code(add("one-more.example.org", kKey)) == 507);
  REQUIRE(names > 20);
  for (int i = 0; i < names; ++i) {
    const std::string leaf = name(i) + std::string(1500, 'x');
    f.observe(name(i), 443, Starttls::none,
              f.seen({f.address("192.0.2.1", ScanState::self_signed, leaf)}));
    CHECK(f.expiration(name(i), kKey).problem == "self_signed");
  }
  for (int i = 0; i < names; ++i) {
    CHECK(f.code("command remove domain " + name(i) + " apikey " + kKey) == 200);
  }
  CHECK(f.code(add("one-more.example.org", kKey)) == 200);
}

TEST_CASE("a scan adds no rows where only removals still find room") {
  ServiceFixture f({}, 1u << 20);
  REQUIRE(f.code(add("a.example.org", kKey)) == 200);
  REQUIRE(f.code(add("b.example.org", kKey)) == 200);
  const auto observe = [&](const std::string& name) {
    f.observe(name, 443, Starttls::none, f.seen({f.address("192.0.2.1", ScanState::ok, "leaf")}));
  };
  observe("a.example.org");
  const std::vector<std::uint8_t> ballast(4000, 0x30);
  bool room = true;
  for (int i = 0; room && i < 1000; ++i) {
    f.store->write([&](store::WriteView& view) {
      room = view.free_bytes() > 100 * 1024;
      if (room) view.certificates.put_intermediate(pki::sha256(std::to_string(i)), ballast);
    });
  }
  const auto before = f.store->read().counts();
  f.time += 100;
  observe("a.example.org");
  observe("b.example.org");
  CHECK(f.store->read().counts().addresses == before.addresses);
  for (const std::string name : {"a.example.org", "b.example.org"}) {
    CHECK(f.expiration(name, kKey).trusted);
    CHECK(f.expiration(name, kKey).last_scan_utc == ServiceFixture::kStart + 100);
    CHECK(f.code("command remove domain " + name + " apikey " + kKey) == 200);
  }
}

TEST_CASE("scan on request is limited per name") {
  ServiceFixture f;
  REQUIRE(f.code(add("a.example.org", kKey)) == 200);
  REQUIRE(f.code("command scan domain a.example.org apikey " + kKey) == 200);
  const Reply again = f.ask("command scan domain a.example.org apikey " + kKey);
  REQUIRE(again.has_error());
  CHECK(again.error().kind == ErrorKind::too_many);
  CHECK(again.error().retry_after_s == 10);
  f.time += 10;
  CHECK(f.code("command scan domain a.example.org apikey " + kKey) == 200);
}

TEST_CASE("expiration before and after a scan, with one address of two broken") {
  ServiceFixture f;
  REQUIRE(f.code(add("a.example.org", kKey)) == 200);
  auto before = f.expiration("a.example.org", kKey);
  CHECK(before.problem == "pending");
  CHECK(before.last_scan_utc == 0);
  CHECK(before.next_scan_utc == ServiceFixture::kStart);
  f.time += 5;
  f.observe("a.example.org", 443, Starttls::none,
            f.seen({f.address("192.0.2.1", ScanState::ok, "leaf"),
                    f.address("192.0.2.2", ScanState::timeout, "")}));
  const auto after = f.expiration("a.example.org", kKey);
  CHECK(after.certificate_found);
  CHECK(after.trusted);
  CHECK(after.problem == "timeout");
  CHECK(after.addresses == 2);
  CHECK(after.renewal_utc == ServiceFixture::kStart + 80 * kDay);
  CHECK_FALSE(after.renewal_due);
  CHECK(after.next_scan_utc == f.time + 5 * kMinute);
  CHECK(f.line("command expiration domain a.example.org ip 192.0.2.1 apikey " + kKey)
            .find("problem none certificate_sha256 " + hex(pki::sha256("leaf"))) !=
        std::string::npos);
  CHECK(f.line("command expiration domain a.example.org ip 192.0.2.2 apikey " + kKey)
            .find("certificate_found false") != std::string::npos);
  CHECK(f.code("command expiration domain a.example.org ip 192.0.2.3 apikey " + kKey) == 404);
  f.time = ServiceFixture::kStart + 53 * kDay;
  CHECK(f.expiration("a.example.org", kKey).renewal_due);
  f.time = ServiceFixture::kStart + 80 * kDay;
  CHECK(f.expiration("a.example.org", kKey).expired_found);
}

TEST_CASE("an announced leaf is a problem until every address serves it") {
  ServiceFixture f;
  const std::string fresh = hex(pki::sha256("new"));
  REQUIRE(f.code(add("a.example.org", kKey)) == 200);
  f.observe("a.example.org", 443, Starttls::none,
            f.seen({f.address("192.0.2.1", ScanState::ok, "old"),
                    f.address("192.0.2.2", ScanState::ok, "old")}));
  REQUIRE(f.code(add("a.example.org", kKey, " sha256 " + fresh)) == 200);
  CHECK(f.expiration("a.example.org", kKey).problem == "old_certificate_served");
  CHECK(f.expiration("a.example.org", kKey).next_scan_utc == f.time);
  f.observe("a.example.org", 443, Starttls::none,
            f.seen({f.address("192.0.2.1", ScanState::ok, "new"),
                    f.address("192.0.2.2", ScanState::ok, "old")}));
  auto half = f.expiration("a.example.org", kKey);
  CHECK(half.problem == "old_certificate_served");
  CHECK(half.next_scan_utc == f.time + 10);
  f.time += 10;
  f.observe("a.example.org", 443, Starttls::none,
            f.seen({f.address("192.0.2.1", ScanState::ok, "new"),
                    f.address("192.0.2.2", ScanState::ok, "new")}));
  auto done = f.expiration("a.example.org", kKey);
  CHECK(done.problem == "none");
  CHECK(done.next_scan_utc > f.time + 10 * kHour);
  // Announcing what is served already opens nothing.
  REQUIRE(f.code(add("a.example.org", kKey, " sha256 " + fresh)) == 200);
  CHECK(f.expiration("a.example.org", kKey).problem == "none");
}

TEST_CASE("a scan asked for while one was under way is still owed") {
  ServiceFixture f;
  REQUIRE(f.code(add("a.example.org", kKey)) == 200);
  const Observation seen = f.seen({f.address("192.0.2.1", ScanState::ok, "leaf")});
  f.time += 3;
  REQUIRE(f.code("command scan domain a.example.org apikey " + kKey) == 200);
  f.observe("a.example.org", 443, Starttls::none, seen);
  CHECK(f.expiration("a.example.org", kKey).next_scan_utc == f.time);
}

TEST_CASE("wait is satisfied by a scan of this second or later with none due") {
  ServiceFixture f;
  REQUIRE(f.code(add("a.example.org", kKey)) == 200);
  const auto request =
      parse_line("command expiration domain a.example.org wait 30 apikey " + kKey, DomainRules{});
  REQUIRE(request.has_value());
  CHECK(f.ask(*request).wait_for.has_value());
  f.observe("a.example.org", 443, Starttls::none,
            f.seen({f.address("192.0.2.1", ScanState::ok, "leaf")}));
  CHECK_FALSE(f.ask(*request).wait_for.has_value());
  f.time += 20;
  CHECK(f.ask(*request).wait_for.has_value());
}

TEST_CASE("starttls follows the port, and naming another moves the watch") {
  ServiceFixture f;
  REQUIRE(f.code(add("mail.example.org:25", kKey)) == 200);
  CHECK(f.store->read().endpoints.named("mail.example.org", 25, Starttls::smtp).has_value());
  REQUIRE(f.code(add("mail.example.org:25", kKey, " starttls none")) == 200);
  CHECK_FALSE(f.store->read().endpoints.named("mail.example.org", 25, Starttls::smtp).has_value());
  CHECK(f.store->read().endpoints.named("mail.example.org", 25, Starttls::none).has_value());
  REQUIRE(f.code(add("mail.example.org:25", kKey)) == 200);
  CHECK(f.store->read().endpoints.named("mail.example.org", 25, Starttls::none).has_value());
}

TEST_CASE("status counts what is there") {
  ServiceFixture f;
  REQUIRE(f.code(add("a.example.org", kKey)) == 200);
  REQUIRE(f.code(add("a.example.org", kOther)) == 200);
  f.time += 7;
  const Reply reply = f.ask("command status");
  REQUIRE(reply.has_value());
  const auto& status = std::get<StatusReport>(*reply);
  CHECK(status.accounts == 2);
  CHECK(status.names == 2);
  CHECK(status.endpoints == 1);
  CHECK(status.uptime_s == 7);
}

TEST_CASE("a name that fails and one that is not watched are recalled, too") {
  ServiceFixture f;
  const std::string a = "a.example.org", b = "b.example.org";
  const auto ask = [&](const std::string& name) {
    return f.line("command expiration domain " + name + " apikey " + kKey);
  };
  const auto scan = [&](ScanState state) {
    f.time += 60;
    f.observe(a, 443, Starttls::none, f.seen({f.address("192.0.2.1", state, "leaf")}));
  };
  REQUIRE(f.code(add(a, kKey)) == 200);
  scan(ScanState::wrong_host);

  const std::string wrong = ask(a);
  CHECK(wrong.find("wrong_host") != std::string::npos);
  CHECK(f.recalled(a, kKey) == wrong);
  scan(ScanState::ok);
  CHECK(f.recalled(a, kKey).empty());
  const std::string well = ask(a);
  CHECK(well.find("problem none") != std::string::npos);
  CHECK(f.recalled(a, kKey) == well);  // without the detail of before

  const std::string unknown = ask(b);
  CHECK(unknown.find("status error 404") == 0);
  CHECK(f.recalled(b, kKey) == unknown);
  CHECK(f.recalled(a, kKey) == well);  // without the error of before
  REQUIRE(f.code(add(b, kKey)) == 200);
  CHECK(f.recalled(b, kKey).empty());
  CHECK(ask(b).find("problem pending") != std::string::npos);
  REQUIRE(f.code("command remove domain b.example.org apikey " + kKey) == 200);
  CHECK(f.recalled(b, kKey).empty());
  CHECK(ask(b) == unknown);
  CHECK(f.recalled(b, kKey) == unknown);
  SECTION("until the key is another account's") {
    REQUIRE(f.code("command claim email o@example.org apikey " + kOther) == 200);
    REQUIRE(f.code("command claim email o@example.org apikey " + kKey) == 200);
    CHECK(f.recalled(b, kKey).empty());
  }
  SECTION("for an hour at most") {
    f.time += kHour;
    CHECK(f.recalled(b, kKey).empty());
  }
}

TEST_CASE("a name that is well is recalled, word for word, until something about it changes") {
  ServiceFixture f;
  const std::string a = "a.example.org";
  const std::string ask = "command expiration domain a.example.org apikey " + kKey;
  const auto scan = [&] {
    f.observe(a, 443, Starttls::none, f.seen({f.address("192.0.2.1", ScanState::ok, "leaf")}));
  };
  REQUIRE(f.code(add(a, kKey)) == 200);
  f.time += 60;
  scan();
  CHECK(f.recalled(a, kKey).empty());  // nobody asked yet
  const std::string said = f.line(ask);
  CHECK(f.recalled(a, kKey) == said);
  CHECK(f.recalled("A.example.org", kKey).empty());
  CHECK(f.recalled(a, kOther).empty());

  SECTION("time goes by: what is due is due, and expired is expired") {
    for (const UtcTime days : {50, 79, 81}) {
      f.time = ServiceFixture::kStart + days * kDay;
      CHECK(f.recalled(a, kKey).empty());  // looked up once an hour
      const std::string now = f.line(ask);
      f.settle();
      CHECK(f.recalled(a, kKey) == now);
    }
    CHECK(f.recalled(a, kKey).find("expired_found true") != std::string::npos);
  }
  SECTION("a scan") {
    f.time += 100;
    scan();
    CHECK(f.recalled(a, kKey).empty());
    CHECK(f.line(ask) != said);
    CHECK(f.recalled(a, kKey) == f.line(ask));
  }
  SECTION("the name is removed, by this key or another of the account") {
    REQUIRE(f.code("command remove domain a.example.org apikey " + kKey) == 200);
    CHECK(f.recalled(a, kKey).empty());
    CHECK(f.code(ask) == 404);
  }
  SECTION("an announced leaf opens a wait") {
    const std::string leaf = hex(pki::sha256("new leaf"));
    REQUIRE(f.code(add(a, kKey) + " sha256 " + leaf) == 200);
    CHECK(f.recalled(a, kKey).empty());
    const std::string waits = f.line(ask);
    CHECK(waits.find("old_certificate_served") != std::string::npos);
    f.settle();
    CHECK(f.line(ask) == waits);
    CHECK(f.recalled(a, kKey) == waits);
    f.time += 100;
    f.observe(a, 443, Starttls::none, f.seen({f.address("192.0.2.1", ScanState::ok, "new leaf")}));
    CHECK(f.recalled(a, kKey).empty());
    CHECK(f.line(ask).find("problem none") != std::string::npos);
  }
  SECTION("the key joins another account") {
    REQUIRE(f.code("command claim email o@example.org apikey " + kOther) == 200);
    REQUIRE(f.code("command claim email o@example.org apikey " + kKey) == 200);
    CHECK(f.recalled(a, kKey).empty());
    CHECK(f.line(ask) == said);
  }
  SECTION("other settings read the name anew") {
    f.settings = make_settings(f.settings->config);
    CHECK(f.recalled(a, kKey).empty());
  }
}
