// Each event is reported once, to the right account. The store is real; the scans are as the
// scanner would report them.
#include <catch2/catch.hpp>

#include "tests/unit/daemon/notices/alert_fixture.hpp"
#include "tests/unit/pki/make_certificate.hpp"

namespace certline::notices {

using namespace runtime;
using namespace scans;
using namespace service;

using Kinds = std::map<EventKind, std::size_t>;

TEST_CASE("Many hosts of one certificate are one message, and later ones join it") {
  AlertFixture f;
  for (int n = 0; n < 6; ++n) f.add(name_of(n));
  for (int n = 0; n < 5; ++n) f.serve(name_of(n), "one", 10);
  f.time += 60;
  f.ring();
  CHECK(f.take().empty());
  f.serve(name_of(5), "one", 10);
  f.time += 60;
  f.ring();
  const auto sent = f.take();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].channel == "ops");
  const Message& message = sent[0].message;
  CHECK(message.event == EventKind::renewal_overdue);
  CHECK(message.hosts.size() == 6);
  CHECK(message.certificate_sha256 == hex(pki::sha256("one")));
  CHECK(message.not_after_utc == ServiceFixture::kStart + 10 * kDay);
  CHECK(message.hosts[0].seen_utc == ServiceFixture::kStart);
  CHECK(message.hosts[0].state.find("ends in 9 days") == 0);
  CHECK(message.hosts[0].advice.find("certbot") != std::string::npos);

  f.add("late.example.org");
  f.serve("late.example.org", "one", 10);
  CHECK(f.told().empty());
  // Scans that find the same again tell nothing and leave nothing behind.
  const std::size_t rows = f.incidents();
  for (int n = 0; n < 5; ++n) f.serve(name_of(n), "one", 10);
  CHECK(f.told().empty());
  CHECK(f.incidents() == rows);
  CHECK(f.store->read().alarms.until(INT64_MAX).first(10).empty());
}

TEST_CASE("A renewal is told once with all its hosts, and ends what was told before") {
  AlertFixture f;
  for (int n = 0; n < 4; ++n) f.add(name_of(n));
  for (int n = 0; n < 4; ++n) f.serve(name_of(n), "old", 5);
  CHECK(kinds(f.told()) == Kinds{{EventKind::renewal_overdue, 1}});
  for (int n = 0; n < 3; ++n) f.serve(name_of(n), "new", 90);
  const auto sent = f.told();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].message.event == EventKind::renewed);
  CHECK(sent[0].message.severity == Severity::good);
  CHECK(sent[0].message.hosts.size() == 3);
  // The fourth follows a day later: silently, as the message about this certificate is out.
  f.time += kDay;
  f.serve(name_of(3), "new", 90);
  CHECK(f.told().empty());
  CHECK(f.incidents() == 1);
  // The next renewal is told anew.
  f.time += 60 * kDay;
  for (int n = 0; n < 4; ++n) f.serve(name_of(n), "newer", 150);
  CHECK(kinds(f.told()) == Kinds{{EventKind::renewed, 1}});
  CHECK(f.incidents() == 1);
}

TEST_CASE("Stages follow each other: one message each, one row, one end") {
  AlertFixture f;
  f.add(name_of(1));
  f.add(name_of(2));
  std::vector<std::string> titles;
  for (int day = 0; day < 45; ++day) {
    f.serve(name_of(1), "slow", 30);
    f.serve(name_of(2), "slow", 30);
    for (const Sent& each : f.told()) titles.push_back(each.message.title);
    CHECK(f.incidents() <= 1);
    f.time += kDay - f.settings->config.notify.gather_s;
  }
  // Five days on which a stage began (7.5 and 7 days left fall on one), then daily for a week, then
  // weekly.
  CHECK(titles.size() == 5 + 7 + 2);
  CHECK(std::adjacent_find(titles.begin(), titles.end()) == titles.end());
  f.serve(name_of(1), "new", 200);
  CHECK(kinds(f.told()) == Kinds{{EventKind::renewed, 1}});
  f.serve(name_of(2), "new", 200);
  CHECK(f.told().empty());
  CHECK(f.incidents() == 1);
}

TEST_CASE("What is gone within the gathering time is not told; what was told is told to be over") {
  AlertFixture f;
  f.add(name_of(1));
  f.serve(name_of(1), "leaf", 80);
  f.serve(name_of(1), "leaf", 80, ScanState::wrong_host);
  f.time += 30;
  f.serve(name_of(1), "leaf", 80);
  CHECK(f.told().empty());
  CHECK(f.incidents() == 0);

  f.serve(name_of(1), "leaf", 80, ScanState::wrong_host);
  auto sent = f.told();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].message.event == EventKind::verdict);
  CHECK(sent[0].message.hosts.at(0).state == "found wrong");
  CHECK(sent[0].message.hosts.at(0).advice.find("server_name " + name_of(1)) != std::string::npos);
  f.serve(name_of(1), "leaf", 80);
  sent = f.told();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].message.event == EventKind::recovered);
  CHECK(sent[0].message.about == EventKind::verdict);
  CHECK(sent[0].message.hosts.size() == 1);
  CHECK(f.incidents() == 0);
}

TEST_CASE("Recovery waits for the last host") {
  AlertFixture f;
  for (int n = 0; n < 3; ++n) {
    f.add(name_of(n));
    f.serve(name_of(n), "leaf", 80, ScanState::revoked);
  }
  CHECK(f.told().size() == 1);
  f.serve(name_of(0), "leaf", 80);
  f.serve(name_of(1), "leaf", 80);
  CHECK(f.told().empty());
  f.serve(name_of(1), "leaf", 80, ScanState::revoked);  // again, silently
  CHECK(f.told().empty());
  f.serve(name_of(1), "leaf", 80);
  f.serve(name_of(2), "leaf", 80);
  const auto sent = f.told();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].message.event == EventKind::recovered);
  CHECK(sent[0].message.hosts.size() == 3);
}

TEST_CASE("Troubles of the way go together, after three scans each") {
  AlertFixture f;
  for (int n = 0; n < 7; ++n) {
    f.add(name_of(n));
    f.serve(name_of(n), "leaf" + std::to_string(n), 80);
  }
  CHECK(f.told().empty());
  for (int round = 0; round < 3; ++round) {
    CHECK(f.incidents() == 0);
    for (int n = 0; n < 7; ++n) f.fail(name_of(n));
  }
  auto sent = f.told();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].message.event == EventKind::unreachable);
  CHECK(sent[0].message.hosts.size() == 7);
  CHECK(sent[0].message.title == "7 names do not answer");
  for (int n = 0; n < 7; ++n) f.serve(name_of(n), "leaf" + std::to_string(n), 80);
  sent = f.told();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].message.event == EventKind::recovered);
  CHECK(sent[0].message.hosts.size() == 7);
}

TEST_CASE("A trouble that comes back before its end was told goes on silently") {
  AlertFixture f;
  f.add(name_of(1));
  for (int n = 0; n < 3; ++n) f.fail(name_of(1));
  CHECK(f.told().size() == 1);
  f.serve(name_of(1), "leaf", 80);
  for (int n = 0; n < 3; ++n) f.fail(name_of(1));
  CHECK(f.told().empty());
  f.serve(name_of(1), "leaf", 80);
  CHECK(kinds(f.told()) == Kinds{{EventKind::recovered, 1}});
}

TEST_CASE("More than five certificates in the same trouble are one message") {
  for (const int many : {5, 6}) {
    AlertFixture f;
    for (int n = 0; n < many; ++n) {
      f.add(name_of(n));
      f.serve(name_of(n), "leaf" + std::to_string(n), 5);
    }
    const auto sent = f.told();
    CHECK(sent.size() == (many == 5 ? 5u : 1u));
    CHECK(sent.back().message.hosts.size() == (many == 5 ? 1u : 6u));
  }
}

TEST_CASE("Nothing is lost or doubled when the daemon is killed in between") {
  AlertFixture f;
  f.add(name_of(1));
  f.serve(name_of(1), "leaf", 5);
  f.reopen();
  f.serve(name_of(1), "leaf", 5);
  f.time += 120;
  f.ring();
  const auto before = f.store->read().deliveries.all(0).first(10);
  REQUIRE(before.size() == 1);
  f.reopen();
  f.time += 1000;
  f.ring();
  f.serve(name_of(1), "leaf", 5);
  f.time += 1000;
  f.ring();
  const auto after = f.store->read().deliveries.all(0).first(10);
  REQUIRE(after.size() == 1);
  CHECK(parse_message(after[0].message)->id == parse_message(before[0].message)->id);
}

TEST_CASE("A write that fails and is repeated tells once") {
  AlertFixture f;
  f.add(name_of(1));
  f.serve(name_of(1), "leaf", 5);
  f.time += 120;
  const auto failed = f.store->write([&](store::WriteView& view) {
    gather(view, f.settings->config, f.entropy(), kOperatorAccount, f.time);
    throw std::runtime_error("after everything was written");
  });
  CHECK(failed == store::CommitOutcome::failed);
  CHECK(f.take().empty());
  f.ring();
  CHECK(f.take().size() == 1);
}

TEST_CASE("What was written at other settings still gets its message") {
  AlertFixture f;
  f.add(name_of(1));
  f.serve(name_of(1), "leaf", 5);
  Config slower = told_config();
  slower.notify.gather_s = 600;
  f.settings = make_settings(slower);
  f.time += 120;
  f.ring();
  CHECK(f.take().empty());
  f.time += 480;
  f.ring();
  CHECK(f.take().size() == 1);
}

TEST_CASE("Accounts hear of their own names, the operator of all, each once") {
  Config config = told_config({hook("ops"), hook("alice", "alice@example.org")});
  config.smtp.server = "127.0.0.1:25";
  AlertFixture f(std::move(config));
  f.add(name_of(1), kKey);
  f.add(name_of(2), kOther);
  REQUIRE(f.code("command claim email alice@example.org apikey " + kKey) == 200);
  REQUIRE(f.code("command claim email bob@example.org apikey " + kOther) == 200);
  f.serve(name_of(1), "one", 5);
  f.serve(name_of(2), "two", 5);
  std::map<std::string, std::size_t> hosts;
  for (const Sent& each : f.told()) {
    CHECK(each.message.hosts.size() == 1);
    hosts[each.channel + ' ' + each.to] += 1;
  }
  CHECK(hosts == std::map<std::string, std::size_t>{{"ops ", 2},
                                                    {"alice ", 1},
                                                    {"mail alice@example.org", 1},
                                                    {"mail bob@example.org", 1}});
}

TEST_CASE("Who begins to watch a name in trouble hears of it; who ceases hears nothing more") {
  Config config = told_config({});
  config.smtp.server = "127.0.0.1:25";
  AlertFixture f(std::move(config));
  f.add(name_of(1), kKey);
  REQUIRE(f.code("command claim email alice@example.org apikey " + kKey) == 200);
  for (int n = 0; n < 3; ++n) f.fail(name_of(1));
  CHECK(f.told().size() == 1);
  REQUIRE(f.code("command claim email bob@example.org apikey " + kOther) == 200);
  f.add(name_of(1), kOther);
  auto sent = f.told();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].to == "bob@example.org");
  CHECK(sent[0].message.event == EventKind::unreachable);
  REQUIRE(f.code("command remove domain " + name_of(1) + " apikey " + kKey) == 200);
  f.serve(name_of(1), "leaf", 80);
  sent = f.told();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].to == "bob@example.org");
  CHECK(sent[0].message.event == EventKind::recovered);
}

TEST_CASE("An announced certificate that isn't served is told after a while") {
  AlertFixture f;
  const std::string host = name_of(1);
  f.add(host);
  f.serve(host, "old", 80);
  f.add(host, kKey, " sha256 " + hex(pki::sha256("new")));
  f.serve(host, "old", 80);
  CHECK(f.told().empty());
  f.time += 200;
  SECTION("another one is served") {
    f.serve(host, "old", 80);
    auto sent = f.told();
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].message.event == EventKind::old_certificate);
    CHECK(sent[0].message.certificate_sha256 == hex(pki::sha256("new")));
    CHECK(sent[0].message.hosts.at(0).state.find("192.0.2.1 still serves") == 0);
    CHECK(sent[0].message.hosts.at(0).advice.find("reload") != std::string::npos);
    f.serve(host, "old", 80);
    CHECK(f.told().empty());
    SECTION("until it is") {
      f.serve(host, "new", 90);
      CHECK(kinds(f.told()) == Kinds{{EventKind::recovered, 1}, {EventKind::renewed, 1}});
    }
    SECTION("until the next one is announced") {
      f.add(host, kKey, " sha256 " + hex(pki::sha256("newer")));
      CHECK(f.incidents() == 0);
      f.serve(host, "newer", 90);
      CHECK(kinds(f.told()) == Kinds{{EventKind::renewed, 1}});
    }
  }
  SECTION("nothing answers: nobody knows") {
    f.fail(host);
    CHECK(f.told().empty());
  }
}

TEST_CASE("A name of an account that isn't verified is on trial") {
  Config config = told_config();
  config.verification = Verification::email;
  AlertFixture f(std::move(config));
  const std::string host = "www.example.org";
  f.add(host, kKey, " sha256 " + hex(pki::sha256("announced")));
  const auto account = f.store->read().keys.find(pki::sha256(kKey))->account;
  const auto watch = [&] { return f.store->read().watches.find(account, host).value(); };
  REQUIRE(watch().trial_until_utc == ServiceFixture::kStart + kDay);
  const auto rests = [&] {
    const auto endpoint = f.store->read().endpoints.find(watch().endpoint).value();
    CHECK(endpoint.resting == (watch().resting ? 1u : 0u));
    CHECK(f.store->read().endpoints.due(DueEntry{}, INT64_MAX).first(10).empty() ==
          watch().resting);
    return watch().resting;
  };

  SECTION("another certificate does not help") {
    f.serve(host, "another", 80);
    CHECK(watch().trial_until_utc != 0);
    CHECK_FALSE(rests());
    f.time += kDay;
    f.serve(host, "another", 80);
    CHECK(rests());
  }
  SECTION("the announced one does") {
    f.serve(host, "announced", 80);
    CHECK(watch().trial_until_utc == 0);
    f.time += kDay;
    f.serve(host, "another", 80);
    CHECK_FALSE(rests());
  }
  SECTION("one that covers the name does") {
    const pki::test::Made root = pki::test::make_root("Root");
    AddressObservation one = f.address("192.0.2.1", ScanState::untrusted_root, "");
    one.chain.push_back(pki::test::make_leaf(root).observed());
    f.scan(host, {one});
    CHECK(watch().trial_until_utc == 0);
  }
  SECTION("a verified account needs none") {
    f.write([&](store::WriteView& view) {
      auto record = view.accounts.find(account).value();
      record.verified_utc = f.time;
      view.accounts.put(record);
    });
    f.fail(host);
    CHECK(watch().trial_until_utc == 0);
  }
}

TEST_CASE("A client that goes silent, and one that is back") {
  AlertFixture f;
  for (int day = 0; day < 4; ++day) {
    f.add(name_of(day));
    f.settle();
    f.time += kDay;
  }
  f.ring();
  CHECK(f.take().empty());
  f.time += 3 * kDay;
  f.ring();
  auto sent = f.told();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].message.event == EventKind::client_silent);
  CHECK(sent[0].message.text.find("4 names") != std::string::npos);
  f.time += kDay;
  f.ring();
  CHECK(f.take().empty());
  f.add(name_of(9));
  f.settle();
  f.ring();
  CHECK(kinds(f.told()) == Kinds{{EventKind::recovered, 1}});
}

TEST_CASE("The daemon's own troubles reach the operator, each once") {
  AlertFixture f;
  const Config& config = f.settings->config;
  for (int round = 0; round < 2; ++round) {
    f.write([&](store::WriteView& view) { tell_outage(view, config, true, f.time); });
  }
  auto sent = f.told();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].message.event == EventKind::mass_outage);
  CHECK(sent[0].message.severity == Severity::critical);
  CHECK(sent[0].message.hosts.empty());
  f.reopen();
  f.write([&](store::WriteView& view) { tell_outage(view, config, false, f.time); });
  sent = f.told();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].message.about == EventKind::mass_outage);
  f.write([&](store::WriteView& view) { tell_stalled(view, config, true, f.time); });
  CHECK(kinds(f.told()) == Kinds{{EventKind::scanner_stalled, 1}});
}

TEST_CASE("When the daemon's own network is out, that is the only message") {
  constexpr int kNames = 25;
  AlertFixture f;
  OutageState book;
  const Random random = [] { return std::uint64_t{1} << 63; };
  for (int n = 0; n < kNames; ++n) f.add(name_of(n));
  // As the driver does it: the scan's write first, what it says of the network once committed.
  const auto scan_all = [&](ScanState state) {
    for (int n = 0; n < kNames; ++n) {
      std::optional<bool> told;
      std::optional<NetworkHint> hint;
      EndpointId id = 0;
      f.write([&](store::WriteView& view) {
        id = view.endpoints.named(name_of(n), 443, Starttls::none).value();
        told = tell_outage_change(view, book, f.settings->config, f.time);
        const std::string leaf = state == ScanState::ok ? "leaf" : "";
        hint = apply_scan(view, id, {name_of(n), 443, Starttls::none},
                          f.seen({f.address("192.0.2.1", state, leaf)}),
                          {f.settings->config, f.time, random, book.watch.outage()});
      });
      book.told = told;
      REQUIRE(hint);
      book.watch.note(id, hint->failed, f.time);
    }
    f.time += 300;
  };
  scan_all(ScanState::ok);
  CHECK(f.told().empty());
  f.time += kDay;
  for (int round = 0; round < 5; ++round) scan_all(ScanState::unreachable);
  CHECK(kinds(f.told()) == Kinds{{EventKind::mass_outage, 1}});
  for (int round = 0; round < 2; ++round) scan_all(ScanState::ok);
  const auto sent = f.told();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].message.event == EventKind::recovered);
  CHECK(sent[0].message.about == EventKind::mass_outage);
  CHECK(f.incidents() == 0);
}

TEST_CASE("Without anywhere to send to, nothing is kept for it") {
  AlertFixture f(told_config({}));
  f.add(name_of(1));
  f.serve(name_of(1), "leaf", 5);
  for (int n = 0; n < 3; ++n) f.fail(name_of(1));
  CHECK(f.incidents() == 0);
  CHECK(f.store->read().alarms.until(INT64_MAX).first(10).empty());
}

TEST_CASE("The digest of an account") {
  Config config = told_config({hook("alice", "alice@example.org")});
  config.notify.digest = Digest::weekly;
  AlertFixture f(std::move(config));
  for (int n = 0; n < 3; ++n) f.add(name_of(n));
  REQUIRE(f.code("command claim email alice@example.org apikey " + kKey) == 200);
  f.serve(name_of(0), "a", 80);
  f.serve(name_of(1), "b", 20);
  CHECK(f.told().size() == 1);
  const auto account = f.store->read().keys.find(pki::sha256(kKey))->account;
  f.write([&](store::WriteView& view) {
    view.alarms.set({f.time, AlarmKind::digest, alarm_about(account)});
  });
  f.ring();
  auto sent = f.take();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].message.event == EventKind::digest);
  CHECK(sent[0].message.title == "Weekly summary: 3 names, 1 ending within 30 days, 0 problems");
  REQUIRE(sent[0].message.hosts.size() == 1);
  CHECK(sent[0].message.hosts[0].name == name_of(1));
  CHECK(sent[0].message.text.find("1 renewal overdue") != std::string::npos);
  f.time += 6 * kDay;
  f.ring();
  CHECK(f.take().empty());
  f.time += kDay;
  f.ring();
  CHECK(f.take().size() == 1);
}

}  // namespace certline::notices
