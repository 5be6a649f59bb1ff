// Keys that wait for their address to be confirmed: what they see, what their mails do, and what a
// client gets that claims another's address or tries tokens.
#include <catch2/catch.hpp>

#include "daemon/notices/links.hpp"
#include "tests/unit/daemon/service/accounts_fixture.hpp"

using namespace certline;
using namespace certline::notices;
using namespace certline::runtime;
using namespace certline::service;

TEST_CASE("a claim is confirmed by its mail, once") {
  AccountsFixture f;
  CHECK(f.line("command claim email " + kOwner + " apikey " + kKey) ==
        "status ok 200 created; confirm it with the mail that is on its way\n");
  REQUIRE(f.mails().size() == 1);
  const auto mail = f.mails().front();
  CHECK(mail.to == kOwner);
  CHECK(mail.tokens.size() == 2);
  CHECK(mail.tokens.contains("block-account"));
  CHECK(mail.text.find("command confirm token " + mail.tokens.at("confirm")) != std::string::npos);
  CHECK(mail.text.find("127.0.0.1") != std::string::npos);
  CHECK(f.store->read().accounts.claiming(kOwner).first(10).size() == 1);
  CHECK_FALSE(f.store->read().accounts.by_email(kOwner));
  CHECK(f.line("command user apikey " + kKey) == "data owner@example.org\nstatus ok 200 claimed\n");

  CHECK(f.line("command confirm token " + mail.tokens.at("confirm")) ==
        "data purpose confirm\nstatus ok 200 done\n");
  CHECK(f.store->read().accounts.by_email(kOwner) == f.key(kKey).account);
  CHECK(f.store->read().accounts.claiming(kOwner).first(10).empty());
  CHECK(f.account_of(kKey).verified_utc == f.time);
  CHECK(f.key(kKey).confirmed_utc == f.time);
  CHECK(f.audited("confirm 1 " + hex(pki::sha256(kKey).data(), 16)));

  const std::string again = f.line("command confirm token " + mail.tokens.at("confirm"));
  CHECK(again.starts_with("status error 404 this token was used on 2027-01-15 08:00 UTC"));
  CHECK(f.audited("refused-token 1 confirm"));
}

TEST_CASE("a claim without a key brings one, the same however often its job runs") {
  AccountsFixture f;
  const Reply reply = f.ask("command claim email " + kOwner);
  REQUIRE(reply.has_value());
  const auto claimed = std::get<Claimed>(*reply);
  CHECK(claimed.key.size() == 32);
  CHECK(claimed.created);
  CHECK(claimed.mailed);
  CHECK(f.line("command user apikey " + claimed.key).starts_with("data " + kOwner));

  struct Twice final : store::WriteJob {
    std::unique_ptr<store::WriteJob> job;
    std::promise<void>& ended;
    Twice(std::unique_ptr<store::WriteJob> j, std::promise<void>& e)
        : job(std::move(j)), ended(e) {}
    void apply(store::WriteView& view) override {
      const auto keys = [&] { return view.counts().keys; };
      const auto before = keys();
      job->apply(view);
      CHECK(keys() == before + 1);
      job->apply(view);  // as after another job's failure, only that its rows are still there
      CHECK(keys() == before + 1);
    }
    void done(store::CommitOutcome outcome) override {
      job->done(outcome);
      ended.set_value();
    }
  };
  const auto request = parse_line("command claim email b@example.org", DomainRules{});
  std::promise<void> ended;
  store::Store::Jobs writes;
  f.service->ask(*request, f.caller, f.settings, 0, writes, [](const Service::Answered&) {});
  REQUIRE(writes.size() == 1);
  f.store->submit(std::make_unique<Twice>(std::move(writes.front()), ended));
  ended.get_future().get();
}

TEST_CASE("an address that never gets mail is not sent any, and is not told to wait for it") {
  AccountsFixture f;
  const std::string claim = "command claim email hook-1@certline.invalid apikey " + kKey;
  CHECK(f.line(claim) == "status ok 200 created; next: command add domain D apikey K\n");
  CHECK(f.line(claim) == "status ok 200 already yours\n");
  CHECK(f.mails().empty());
}

TEST_CASE("tokens expire after seven days and fit one purpose") {
  AccountsFixture f;
  REQUIRE(f.claim(kOwner, kKey) == 200);
  const std::string token = f.token("confirm");
  const auto parsed = Token::parse(token);
  const auto redeem = [&](std::optional<TokenPurpose> purpose) {
    return f.ask(Request(ConfirmToken{*parsed, purpose})).reply;
  };
  const Reply wrong = redeem(TokenPurpose::block_account);
  REQUIRE(wrong.has_error());
  CHECK(wrong.error().kind == ErrorKind::not_registered);
  CHECK(f.account_of(kKey).blocked_utc == 0);

  std::string forged = token;
  forged.back() = forged.back() == '0' ? '1' : '0';
  CHECK(f.confirm(forged) == 404);
  CHECK(f.store->read().alarms.until(f.time + kTokenLifetime).first(100).size() >= 2);

  SECTION("a moment before") {
    f.time += kTokenLifetime - 1;
    CHECK(redeem(TokenPurpose::confirm).has_value());
  }
  SECTION("from then on") {
    f.time += kTokenLifetime;
    CHECK(f.line("command confirm token " + token)
              .starts_with("status error 404 this token expired"));
    CHECK_FALSE(f.store->read().accounts.by_email(kOwner));
    CHECK(f.audited("refused-token"));
  }
}

TEST_CASE("who claims another's address sees nothing of it, and learns nothing") {
  AccountsFixture f;
  const std::string unknown = f.line("command claim email nobody@example.org apikey " + kThird);
  REQUIRE(f.claim(kOwner, kKey) == 200);
  REQUIRE(f.confirm(f.token("confirm")) == 200);
  REQUIRE(f.add("secret.example.org", kKey) == 200);

  CHECK(f.line("command claim email " + kOwner + " apikey " + kOther) == unknown);
  CHECK(f.line("command domains apikey " + kOther) == "status ok 200 0 names; no more follow\n");
  CHECK(f.code("command expiration domain secret.example.org apikey " + kOther) == 404);
  CHECK(f.code("command remove domain secret.example.org apikey " + kOther) == 404);
  CHECK(f.key(kOther).account != f.key(kKey).account);

  const auto mail = f.mails().back();
  CHECK(mail.to == kOwner);
  CHECK(mail.tokens.size() == 3);
  SECTION("the owner's own key is not another's to claim") {
    CHECK(f.claim("mallory@example.org", kKey) == 409);
    CHECK(f.claim("mallory@example.org", kOther) == 409);
    CHECK(
        f.audited("refused-claim " + std::to_string(f.key(kKey).account) + " mallory@example.org"));
  }
  SECTION("revoked by its mail, the key is worthless for good") {
    REQUIRE(f.add("mallory.example.org", kOther) == 200);
    REQUIRE(f.confirm(mail.tokens.at("revoke")) == 200);
    CHECK(f.code("command domains apikey " + kOther) == 401);
    CHECK(f.add("x.example.org", kOther) == 401);
    CHECK(f.claim(kOwner, kOther) == 405);
    CHECK(f.confirm(mail.tokens.at("confirm")) == 404);
    CHECK(f.endpoint("mallory.example.org", kOther).resting == 1);
    CHECK(f.add("y.example.org", kKey) == 200);
    CHECK(f.audited("revoke"));
  }
  SECTION("further keys refused by their mail") {
    REQUIRE(f.confirm(mail.tokens.at("block-keys")) == 200);
    CHECK(f.code("command domains apikey " + kOther) == 401);
    CHECK(f.claim(kOwner, "dddddddddddddddd0004") == 405);
    CHECK(f.code("command domains apikey " + kKey) == 200);
    CHECK(f.audited("block-keys"));
    CHECK(f.administrate("command unblock account " + kOwner).starts_with("status ok"));
    CHECK(f.claim(kOwner, "dddddddddddddddd0004") == 200);
  }
  SECTION("confirmed by its mail, it shares the account") {
    REQUIRE(f.add("more.example.org", kOther) == 200);
    REQUIRE(f.add("secret.example.org", kOther) == 200);
    REQUIRE(f.confirm(mail.tokens.at("confirm")) == 200);
    CHECK(f.line("command domains apikey " + kOther)
              .starts_with("data more.example.org secret.example.org\n"));
    CHECK(f.key(kOther).account == f.key(kKey).account);
    CHECK(f.key(kOther).names == 1);
    CHECK(f.endpoint("secret.example.org", kKey).watchers == 1);
    CHECK(f.watch("more.example.org", kKey).trial_until_utc == 0);
    CHECK(f.store->read().counts().accounts == 2);  // and nobody's
  }
}

TEST_CASE("an address blocked by its mail takes no key, and unblocking gives strangers none") {
  AccountsFixture f;
  REQUIRE(f.claim(kOwner, kOther) == 200);
  REQUIRE(f.add("mallory.example.org", kOther) == 200);
  const auto mail = f.mails().back();
  REQUIRE(f.confirm(mail.tokens.at("block-account")) == 200);
  CHECK(f.code("command domains apikey " + kOther) == 401);
  CHECK(f.claim(kOwner, kKey) == 405);
  CHECK(f.confirm(mail.tokens.at("confirm")) == 404);
  CHECK(f.endpoint("mallory.example.org", kOther).resting == 1);
  REQUIRE(f.administrate("command unblock account " + kOwner) == "status ok 200 unblocked\n");
  CHECK(f.claim(kOwner, kKey) == 200);
  CHECK(f.code("command domains apikey " + kOther) == 401);
  CHECK(f.confirm(mail.tokens.at("confirm")) == 404);
}

TEST_CASE("a claim repeated has its mail repeated once a day, until it is confirmed") {
  AccountsFixture f;
  const std::string again = "command claim email " + kOwner + " apikey " + kKey;
  REQUIRE(f.code(again) == 200);
  CHECK(f.line(again) == "status ok 200 already yours\n");
  f.time += kDay - 1;
  CHECK(f.line(again) == "status ok 200 already yours\n");
  CHECK(f.mails().size() == 1);
  f.time += 1;
  CHECK(f.line(again) ==
        "status ok 200 already yours; confirm it with the mail that is on its way\n");
  CHECK(f.mails().size() == 2);
  REQUIRE(f.confirm(f.token("confirm")) == 200);
  f.time += 2 * kDay;
  CHECK(f.line(again) == "status ok 200 already yours\n");
  CHECK(f.mails().size() == 2);
}

TEST_CASE("names of an account that isn't verified are on trial, rest, and wake") {
  AccountsFixture f;
  REQUIRE(f.claim(kOwner, kKey) == 200);
  REQUIRE(f.add("a.example.org", kKey) == 200);
  REQUIRE(f.add("b.example.org", kKey) == 200);
  CHECK(f.watch("a.example.org", kKey).trial_until_utc == f.time + kDay);
  f.time += kDay;
  f.rest("a.example.org", kKey);
  CHECK_FALSE(f.is_due("a.example.org", kKey));
  const auto said = f.expiration("a.example.org", kKey);
  CHECK(said.problem == "resting");
  CHECK(said.detail.find("confirm") != std::string::npos);
  const auto waiting =
      parse_line("command expiration domain a.example.org wait 30 apikey " + kKey, DomainRules{});
  CHECK_FALSE(f.ask(*waiting).wait_for.has_value());
  CHECK(f.code("command scan domain a.example.org apikey " + kKey) == 403);

  SECTION("added again, it has another day") {
    REQUIRE(f.add("a.example.org", kKey) == 200);
    CHECK(f.watch("a.example.org", kKey).trial_until_utc == f.time + kDay);
    CHECK(f.is_due("a.example.org", kKey));
    CHECK(f.expiration("a.example.org", kKey).problem == "pending");
    CHECK(f.key(kKey).names == 2);
  }
  SECTION("somebody else's watch of it is scanned all the same") {
    REQUIRE(f.add("a.example.org", kOther) == 200);
    CHECK(f.is_due("a.example.org", kKey));
    CHECK(f.expiration("a.example.org", kKey).problem == "resting");
    REQUIRE(f.code("command remove domain a.example.org apikey " + kKey) == 200);
    CHECK(f.endpoint("a.example.org", kOther).resting == 0);
  }
  SECTION("the confirmation wakes all") {
    REQUIRE(f.confirm(f.token("confirm")) == 200);
    for (const std::string name : {"a.example.org", "b.example.org"}) {
      CHECK(f.watch(name, kKey).trial_until_utc == 0);
      CHECK_FALSE(f.watch(name, kKey).resting);
      CHECK(f.endpoint(name, kKey).resting == 0);
    }
    CHECK(f.endpoint("a.example.org", kKey).next_scan_utc == f.time);
    CHECK(f.expiration("a.example.org", kKey).problem == "pending");
    REQUIRE(f.add("c.example.org", kKey) == 200);
    CHECK(f.watch("c.example.org", kKey).trial_until_utc == 0);
  }
}

TEST_CASE("a trial ends by what scans see") {
  AccountsFixture f;
  const auto scan = [&](const std::string& name) {
    f.observe(name, 443, Starttls::none,
              f.seen({f.address("192.0.2.1", ScanState::wrong_host, "leaf")}));
  };
  REQUIRE(f.claim(kOwner, kKey) == 200);
  REQUIRE(f.add("a.example.org", kKey) == 200);
  REQUIRE(f.add("b.example.org", kKey) == 200);
  REQUIRE(f.code("command add domain b.example.org apikey " + kKey + " sha256 " +
                 hex(pki::sha256("leaf"))) == 200);
  f.time += kDay - 1;
  scan("a.example.org");
  scan("b.example.org");
  CHECK_FALSE(f.watch("a.example.org", kKey).resting);
  CHECK(f.watch("b.example.org", kKey).trial_until_utc == 0);
  f.time += 1;
  scan("a.example.org");
  CHECK(f.expiration("a.example.org", kKey).problem == "resting");
  CHECK(f.endpoint("a.example.org", kKey).resting == 1);
  f.time += 10 * kDay;
  CHECK_FALSE(f.is_due("a.example.org", kKey));
  CHECK(f.is_due("b.example.org", kKey));
  REQUIRE(f.confirm(f.token("confirm")) == 404);  // its week is over
  f.time += kDay;
  REQUIRE(f.claim(kOwner, kKey) == 200);  // a new mail
  REQUIRE(f.confirm(f.token("confirm")) == 200);
  CHECK(f.is_due("a.example.org", kKey));
  scan("a.example.org");
  CHECK(f.expiration("a.example.org", kKey).problem == "wrong_host");
}

TEST_CASE("keys of an address that nobody confirms are limited") {
  Config config = confirming();
  config.accounts.unconfirmed_keys = 3;
  AccountsFixture f(config);
  for (int i = 0; i < 3; ++i) CHECK(f.claim(kOwner, kKey + std::to_string(i)) == 200);
  CHECK(f.claim(kOwner, kOther) == 429);
  CHECK(f.audited("refused-claim 0 " + kOwner));
  REQUIRE(f.confirm(f.token("confirm")) == 200);
  CHECK(f.claim(kOwner, kOther) == 200);
  CHECK(f.claim(kOwner, kThird) == 429);
}

TEST_CASE("accounts made from one source are limited each day") {
  Config config;
  config.accounts.new_accounts_per_source = 2;
  AccountsFixture f(config);
  f.caller.source = IpAddress::parse("2001:db8::1").value();
  CHECK(f.claim("a@example.org", kKey) == 200);
  CHECK(f.claim("a@example.org", "key-without-account") == 200);  // joins
  CHECK(f.add("x.example.org", kOther) == 200);
  f.caller.source = IpAddress::parse("2001:db8::2").value();  // the same /64
  const Reply refused = f.ask("command claim email c@example.org apikey " + kThird);
  REQUIRE(refused.has_error());
  CHECK(refused.error().kind == ErrorKind::registration_closed);
  CHECK(refused.error().retry_after_s == kDay - f.time % kDay);
  CHECK(f.add("y.example.org", kThird) == 405);
  CHECK(f.add("y.example.org", kOther) == 200);
  f.caller.source = IpAddress::parse("192.0.2.1").value();
  CHECK(f.add("y.example.org", kThird) == 200);
  f.caller.source = IpAddress::parse("2001:db8::1").value();
  f.time += kDay;
  CHECK(f.add("y.example.org", "eeeeeeeeeeeeeeee0005") == 200);
  f.caller.source = IpAddress::parse("127.0.0.1").value();
  for (int i = 0; i < 10; ++i) CHECK(f.add("z.example.org", kKey + std::to_string(i)) == 200);
}

TEST_CASE("refused attempts are written down, but nobody fills the store with them") {
  AccountsFixture f;
  const auto guess = [](int i) {
    std::string digits = std::to_string(1'000'000'000'000'000 + i);
    return digits + '.' + digits + digits;
  };
  for (int i = 0; i < 250; ++i) CHECK(f.confirm(guess(i)) == 404);
  CHECK(f.audit().size() == 100);
  f.time += kHour;
  CHECK(f.confirm(guess(1)) == 404);
  const auto rows = f.store->read().audit.all(100).first(10);
  REQUIRE(rows.size() == 1);
  CHECK(rows.front().second.detail.find("150 more were left out before") != std::string::npos);
  CHECK(rows.front().second.actor == "token");
}

TEST_CASE("the link that stops mail is good for ever, and nobody makes one") {
  AccountsFixture f;
  REQUIRE(f.claim(kOwner, kKey) == 200);
  REQUIRE(f.confirm(f.token("confirm")) == 200);
  const AccountId id = f.key(kKey).account;
  const std::string link = unsubscribe_link(f.settings->config, f.store->read(), id);
  const std::string base = "https://watch.example.net/unsubscribe/";
  REQUIRE(link.starts_with(base));
  const std::string token = link.substr(base.size());
  CHECK(f.line("command notify apikey " + kKey) ==
        "data mail on digest off owner@example.org\nstatus ok 200 set\n");
  f.time += 400 * kDay;
  for (int i = 0; i < 2; ++i) {
    CHECK(f.line("command confirm token " + token) ==
          "data purpose unsubscribe\nstatus ok 200 done\n");
    CHECK(f.account_of(kKey).mail_off);
  }
  for (const std::size_t at : {15u, 17u, 48u}) {
    std::string forged = token;
    forged[at] = forged[at] == '0' ? '1' : '0';
    CHECK(f.confirm(forged) == 404);
  }
  CHECK(f.line("command notify apikey " + kKey + " mail on digest weekly") ==
        "data mail on digest weekly owner@example.org\nstatus ok 200 set\n");
  CHECK(f.account_of(kKey).digest == Digest::weekly);
}

TEST_CASE("without confirmation no mail is made, and the address's account is refused as asked") {
  AccountsFixture f{Config{}};
  REQUIRE(f.claim(kOwner, kKey) == 200);
  CHECK(f.mails().empty());
  REQUIRE(f.add("a.example.org", kKey) == 200);
  CHECK(f.watch("a.example.org", kKey).trial_until_utc == 0);
  REQUIRE(f.administrate("command block account " + kOwner).starts_with("status ok"));
  CHECK(f.code("command domains apikey " + kKey) == 401);
  CHECK(f.claim(kOwner, kKey) == 405);
  CHECK(f.claim(kOwner, kOther) == 405);
  REQUIRE(f.add("b.example.org", kThird) == 200);
  CHECK(f.claim(kOwner, kThird) == 405);
}
