// What administrators see and change, that nobody else may, and that a deleted account leaves
// nothing behind. Also the reports of clients, and that remembered answers end with the key.
#include <catch2/catch.hpp>

#include "inventory/client_silence.hpp"
#include "tests/unit/daemon/service/accounts_fixture.hpp"

using namespace certline;
using namespace certline::runtime;
using namespace certline::service;

namespace {

std::string tag(const std::string& key) {
  return hex(pki::sha256(key).data(), 16);
}

// Everything that a view shows, but the audit and what was counted of new accounts.
std::string everything(const store::ReadView& view) {
  std::ostringstream out;
  const store::Counts counts = view.counts();
  out << counts.accounts << ' ' << counts.keys << ' ' << counts.watches << ' ' << counts.endpoints
      << ' ' << counts.addresses << ' ' << counts.certificates << '\n';
  for (const AccountRecord& account : view.accounts.all(0).first(1000)) {
    out << "account " << account.id << ' ' << account.email << ' ' << account.claimed_email << '\n';
    for (const auto& [key, record] : view.keys.of(account.id, {}).first(1000))
      out << hex(key) << '\n';
    for (const auto& [name, watch] : view.watches.of(account.id, "").first(1000)) {
      out << name << ' ' << watch.endpoint << '\n';
    }
  }
  for (EndpointId id = 1; id < 100; ++id) {
    for (const auto& [account, name] : view.watches.on(id).first(1000)) {
      out << "watcher " << id << ' ' << account << ' ' << name << '\n';
    }
    out << view.history.of(id).size();
  }
  for (AccountId id = 0; id < 100; ++id) out << view.incidents.of(id).first(1000).size();
  for (const DueEntry& due :
       view.endpoints.due({}, std::numeric_limits<UtcTime>::max()).first(1000)) {
    out << "due " << due.endpoint << '\n';
  }
  for (const Alarm& alarm : view.alarms.until(std::numeric_limits<UtcTime>::max()).first(1000)) {
    out << "alarm " << static_cast<int>(alarm.kind) << ' ' << alarm.at_utc << ' '
        << quoted(alarm.about) << '\n';
  }
  for (const DeliveryRecord& delivery : view.deliveries.all(0).first(1000)) {
    out << "delivery " << delivery.id << '\n';
  }
  for (const std::string email : {"owner@example.org", "other@example.org"}) {
    out << view.accounts.claiming(email).first(100).size()
        << view.accounts.by_email(email).has_value() << '\n';
  }
  return out.str();
}

}  // namespace

TEST_CASE("administration is for administrators") {
  AccountsFixture f;
  REQUIRE(f.claim(kOwner, kKey) == 200);
  for (const std::string request :
       {"accounts", "keys account 1", "revoke key 0123456789abcdef0123456789abcdef",
        "verify account 1", "block account 1", "unblock account 1", "quota account 1 names 5",
        "delete account 1", "deadletters"}) {
    CHECK(f.code("command " + request) == 403);
  }
  CHECK(f.store->read().counts().accounts == 1);
  CHECK(f.audit().size() == 3);
}

TEST_CASE("accounts and keys are listed page by page") {
  AccountsFixture f;
  REQUIRE(f.claim(kOwner, kKey) == 200);
  REQUIRE(f.add("a.example.org", kKey) == 200);
  REQUIRE(f.add("b.example.org", kOther) == 200);
  REQUIRE(f.confirm(f.token("confirm")) == 200);
  CHECK(f.administrate("command accounts") ==
        "data account 1 email owner@example.org state verified names 1 keys 1 quota 1000 "
        "created_utc 1800000000 account 2 email - state unverified names 1 keys 1 quota 1000 "
        "created_utc 1800000000\nstatus ok 200 2 accounts; no more follow\n");
  CHECK(f.administrate("command accounts after 1").starts_with("data account 2 "));
  CHECK(f.administrate("command keys account " + kOwner) ==
        "data key " + tag(kKey) +
            " state confirmed names 1 created_utc 1800000000 last_seen_utc 1800000000\n"
            "status ok 200 1 keys; no more follow\n");
  CHECK(f.administrate("command keys account 2 after " + tag(kOther)) ==
        "status ok 200 0 keys; no more follow\n");
  CHECK(f.administrate("command keys account 77").starts_with("status error 404"));
  CHECK(f.administrate("command delete account 0").starts_with("status error 404"));
  CHECK(f.administrate("command keys account nobody@example.org").starts_with("status error 404"));

  for (int i = 0; i < 40; ++i) {
    REQUIRE(f.add("c.example.org", kThird + std::to_string(i)) == 200);
  }
  std::set<std::uint64_t> seen;
  std::uint64_t after = 0;
  for (bool more = true; more;) {
    f.caller.administrator = true;
    const Reply reply = f.ask("command accounts after " + std::to_string(after));
    f.caller.administrator = false;
    const auto& page = std::get<AccountPage>(*reply);
    more = page.more;
    for (const AccountRow& row : page.rows) seen.insert(after = row.id);
  }
  CHECK(seen.size() == 42);
}

TEST_CASE("verify stands for the mail") {
  AccountsFixture f;
  REQUIRE(f.claim(kOwner, kKey) == 200);
  REQUIRE(f.claim(kOwner, kOther) == 200);
  REQUIRE(f.add("a.example.org", kKey) == 200);
  REQUIRE(f.add("b.example.org", kOther) == 200);
  f.rest("a.example.org", kKey);
  CHECK(f.administrate("command verify account " + kOwner).starts_with("status error 409"));
  CHECK(f.administrate("command verify account 1") ==
        "status ok 200 verified; it is account 1 now\n");
  CHECK(f.store->read().accounts.by_email(kOwner) == 1);
  CHECK_FALSE(f.watch("a.example.org", kKey).resting);
  CHECK(f.administrate("command verify account 2") ==
        "status ok 200 verified; it is account 1 now\n");
  CHECK(f.line("command domains apikey " + kKey).starts_with("data a.example.org b.example.org\n"));
  REQUIRE(f.add("c.example.org", kThird) == 200);
  CHECK(f.administrate("command verify account 3").starts_with("status ok 200 verified"));
  CHECK(f.watch("c.example.org", kThird).trial_until_utc == 0);
  CHECK(f.audited("verify 3 "));
  const auto rows = f.store->read().audit.all(0).first(1000);
  CHECK(rows.back().second.actor == "uid 0");
}

TEST_CASE("blocked keys fail and names rest until unblocked") {
  AccountsFixture f{Config{}};
  REQUIRE(f.claim(kOwner, kKey) == 200);
  REQUIRE(f.claim(kOwner, kOther) == 200);
  REQUIRE(f.add("a.example.org", kKey) == 200);
  REQUIRE(f.administrate("command revoke key " + tag(kOther)) == "status ok 200 revoked\n");
  REQUIRE(f.administrate("command block account 1").starts_with("status ok 200 blocked"));
  CHECK(f.line("command domains apikey " + kKey) ==
        "status error 401 this API key is blocked; ask the operator of this server\n");
  CHECK_FALSE(f.is_due("a.example.org", kKey));
  CHECK(f.administrate("command verify account 1").starts_with("status error 409"));
  REQUIRE(f.administrate("command unblock account 1") == "status ok 200 unblocked\n");
  CHECK(f.code("command domains apikey " + kKey) == 200);
  CHECK(f.line("command domains apikey " + kOther) ==
        "status error 401 this API key was revoked; make a new one with: command apikey\n");
  CHECK(f.is_due("a.example.org", kKey));
  CHECK(f.audited("block 1 " + kOwner));
  CHECK(f.audited("unblock 1 " + kOwner));
}

TEST_CASE("a quota of its own") {
  Config config;
  config.accounts.names_per_key = 2;
  AccountsFixture f(config);
  REQUIRE(f.claim(kOwner, kKey) == 200);
  REQUIRE(f.add("a.example.org", kKey) == 200);
  REQUIRE(f.add("b.example.org", kKey) == 200);
  CHECK(f.add("c.example.org", kKey) == 429);
  REQUIRE(f.administrate("command quota account 1 names 3").starts_with("status ok"));
  CHECK(f.add("c.example.org", kKey) == 200);
  CHECK(f.add("d.example.org", kKey) == 429);
  REQUIRE(f.administrate("command quota account 1 names 0").starts_with("status ok"));
  CHECK(f.add("d.example.org", kKey) == 429);
  CHECK(f.audited("quota 1 3"));
}

TEST_CASE("a deleted account leaves nothing behind") {
  AccountsFixture f;
  REQUIRE(f.claim("other@example.org", kOther) == 200);
  REQUIRE(f.confirm(f.token("confirm")) == 200);
  REQUIRE(f.add("shared.example.org", kOther) == 200);
  f.observe("shared.example.org", 443, Starttls::none,
            f.seen({f.address("192.0.2.1", ScanState::ok, "leaf")}));
  const std::string before = everything(f.store->read());

  REQUIRE(f.claim(kOwner, kKey) == 200);
  REQUIRE(f.confirm(f.token("confirm")) == 200);
  REQUIRE(f.claim(kOwner, kThird) == 200);
  REQUIRE(f.confirm(f.token("confirm")) == 200);
  for (const std::string name : {"shared.example.org", "own.example.org", "rests.example.org"}) {
    REQUIRE(f.add(name, kKey) == 200);
  }
  REQUIRE(f.add("third.example.org", kThird) == 200);
  f.rest("rests.example.org", kKey);
  f.observe("own.example.org", 443, Starttls::none,
            f.seen({f.address("192.0.2.2", ScanState::ok, "other leaf")}));
  REQUIRE(f.code("command notify digest daily apikey " + kKey) == 200);
  for (int i = 0; i < 5; ++i) {  // a habit, whose end would be told
    f.time += kDay;
    REQUIRE(f.code("command scan domain own.example.org apikey " + kKey) == 200);
  }
  REQUIRE(silent_from(f.key(kKey)).has_value());
  const AccountId id = f.key(kKey).account;
  const auto outcome = f.store->write([&](store::WriteView& view) {
    view.incidents.put({id, EventKind::expired, subject_of(7), 1}, {f.time, 0, {}, 0});
    view.alarms.set({f.time, AlarmKind::tell, alarm_about(id)});
  });
  REQUIRE(outcome == store::CommitOutcome::committed);
  CHECK(everything(f.store->read()) != before);

  CHECK(f.administrate("command delete account " + kOwner) ==
        "status ok 200 deleted with 2 keys\n");
  CHECK(everything(f.store->read()) == before);
  CHECK(f.code("command domains apikey " + kKey) == 401);
  CHECK(f.code("command domains apikey " + kOther) == 200);
  CHECK(f.audited("delete " + std::to_string(id)));
}

TEST_CASE("dead letters are listed with their reason") {
  AccountsFixture f;
  REQUIRE(f.claim(kOwner, kKey) == 200);
  CHECK(f.administrate("command deadletters") == "status ok 200 0 messages; no more follow\n");
  const auto outcome = f.store->write([&](store::WriteView& view) {
    DeliveryRecord letter = view.deliveries.all(0).first(1).front();
    letter.dead = true;
    letter.last_error = "550 no such user";
    view.deliveries.put(letter);
  });
  REQUIRE(outcome == store::CommitOutcome::committed);
  CHECK(f.administrate("command deadletters") ==
        "data id 1 channel mail event mail_confirmation created_utc 1800000000\n"
        "status ok 200 1 messages; no more follow\n");
  CHECK(f.administrate("command deadletters after 1") ==
        "status ok 200 0 messages; no more follow\n");
}

TEST_CASE("a client's reports are noted once a period, from reads and writes alike") {
  AccountsFixture f{Config{}};
  REQUIRE(f.add("a.example.org", kKey) == 200);
  const std::string ask = "command expiration domain a.example.org apikey " + kKey;
  CHECK(f.key(kKey).reports == 1);
  f.time += kReportPeriod - 1;
  REQUIRE(f.code(ask) == 200);
  f.settle();
  CHECK(f.key(kKey).reports == 1);
  f.time += 1;
  REQUIRE(f.code(ask) == 200);
  f.settle();
  CHECK(f.key(kKey).reports == 2);
  CHECK(f.key(kKey).last_seen_utc == f.time);
  f.time += kDay;
  REQUIRE(f.code("command domains apikey " + kKey) == 200);
  f.settle();
  CHECK(f.key(kKey).reports == 3);
  const auto silence = [&] {
    std::vector<UtcTime> at;
    for (const Alarm& alarm :
         f.store->read().alarms.until(std::numeric_limits<UtcTime>::max()).first(100)) {
      if (alarm.kind == AlarmKind::silence) at.push_back(alarm.at_utc);
    }
    return at;
  };
  CHECK(silence() == std::vector{*silent_from(f.key(kKey))});
  f.time += kDay;
  REQUIRE(f.code("command remove domain a.example.org apikey " + kKey) == 200);
  CHECK(f.key(kKey).reports == 4);
  CHECK(silence() == std::vector{*silent_from(f.key(kKey))});
  REQUIRE(f.administrate("command revoke key " + tag(kKey)).starts_with("status ok"));
  CHECK(silence().empty());
}

TEST_CASE("remembered answers end with their key, and once an hour") {
  AccountsFixture f{Config{}};
  REQUIRE(f.claim(kOwner, kKey) == 200);
  REQUIRE(f.add("a.example.org", kKey) == 200);
  f.observe("a.example.org", 443, Starttls::none,
            f.seen({f.address("192.0.2.1", ScanState::ok, "leaf")}));
  const std::string ask = "command expiration domain a.example.org apikey " + kKey;
  const std::string said = f.line(ask);
  CHECK(f.recalled("a.example.org", kKey) == said);
  const auto* known = f.service->remembered().recall("a.example.org", kKey, *f.settings);
  REQUIRE(known != nullptr);
  CHECK(known->basis.end_utc <= (f.time / kHour + 1) * kHour);
  SECTION("revoked") {
    REQUIRE(f.administrate("command revoke key " + tag(kKey)).starts_with("status ok"));
    CHECK(f.recalled("a.example.org", kKey).empty());
    CHECK(f.code(ask) == 401);
  }
  SECTION("blocked") {
    REQUIRE(f.administrate("command block account " + kOwner).starts_with("status ok"));
    CHECK(f.recalled("a.example.org", kKey).empty());
    CHECK(f.code(ask) == 401);
  }
  SECTION("deleted") {
    REQUIRE(f.administrate("command delete account " + kOwner).starts_with("status ok"));
    CHECK(f.recalled("a.example.org", kKey).empty());
    CHECK(f.code(ask) == 401);
  }
  SECTION("an hour later") {
    f.time += kHour;
    CHECK(f.recalled("a.example.org", kKey).empty());
  }
}
