// Accounts and what belongs to them: the indexes after every kind of move, tokens, the audit, and
// the count of newcomers.
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>

#include "tests/unit/store/engines.hpp"

using namespace certline;
using namespace certline::store;
using namespace certline::store::test;

namespace {

using Keys = std::vector<std::pair<KeyTag, KeyRecord>>;

void write(const std::unique_ptr<Store>& store, const std::function<void(WriteView&)>& apply) {
  REQUIRE(store->write(apply) == CommitOutcome::committed);
}

// In pages of three, as a caller pages.
Keys all_keys(const ReadView& view, AccountId account) {
  Keys out;
  for (KeyTag after{};;) {
    const Keys page = view.keys.of(account, after).first(3);
    if (page.empty()) return out;
    out.insert(out.end(), page.begin(), page.end());
    after = page.back().first;
  }
}

void compare(const Store& store, const std::map<KeyTag, KeyRecord>& model, AccountId accounts) {
  const ReadView view = store.read();
  for (AccountId account = 1; account <= accounts; ++account) {
    Keys wanted;
    for (const auto& [tag, record] : model)
      if (record.account == account) wanted.emplace_back(tag, record);
    const Keys found = all_keys(view, account);
    REQUIRE(found.size() == wanted.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      REQUIRE(found[i].first == wanted[i].first);
      REQUIRE(same(found[i].second, wanted[i].second));
    }
  }
  REQUIRE(view.counts().keys == model.size());
}

}  // namespace

TEST_CASE_METHOD(OnEachEngine, "the keys of each account, after random moves and removals") {
  const Scratch scratch;
  std::map<KeyTag, KeyRecord> model;
  std::mt19937 random(11);
  {
    const auto store = open_at(scratch / "s");
    for (int job = 0; job < 60; ++job) {
      write(store, [&](WriteView& view) {
        for (int i = 0; i < 20; ++i) {
          const Sha256 key = hash(static_cast<std::uint32_t>(1 + random() % 40) << 8);
          if (random() % 4 == 0) {
            view.keys.remove(half_of(key));
            model.erase(half_of(key));
            continue;
          }
          KeyRecord record = sample_key(1 + random() % 4);
          record.state = static_cast<KeyState>(random() % 3);
          record.names = static_cast<std::uint32_t>(random() % 9);
          view.keys.put(key, record);
          record.digest = key;
          model[half_of(key)] = record;
        }
      });
      compare(*store, model, 4);
    }
  }
  compare(*open_at(scratch / "s"), model, 4);
}

TEST_CASE_METHOD(OnEachEngine,
                 "a key is found by its hash and by its tag, and is gone when it is removed") {
  const Scratch scratch;
  const auto store = open_at(scratch / "s");
  write(store, [](WriteView& view) { view.keys.put(hash(1), sample_key(5)); });
  KeyRecord wanted = sample_key(5);
  wanted.digest = hash(1);
  CHECK(same(store->read().keys.find(hash(1)).value(), wanted));
  CHECK(same(store->read().keys.by_tag(half_of(hash(1))).value(), wanted));
  CHECK_FALSE(store->read().keys.by_tag(half_of(hash(2))));
  CHECK(store->read().keys.of(5, {}).first(0).empty());
  write(store, [](WriteView& view) {
    view.keys.remove(half_of(hash(2)));  // never there
    view.keys.remove(half_of(hash(1)));
  });
  CHECK_FALSE(store->read().keys.find(hash(1)));
  CHECK(store->read().keys.of(5, {}).first(9).empty());
}

TEST_CASE_METHOD(OnEachEngine, "accounts in pages; claims follow the claimed address") {
  const Scratch scratch;
  const auto store = open_at(scratch / "s");
  const auto claims = [&](const char* email) {
    return store->read().accounts.claiming(email).first(9);
  };
  write(store, [](WriteView& view) {
    for (AccountId id = 1; id <= 5; ++id) {
      AccountRecord account = sample_account(id);
      account.email.clear();
      account.claimed_email = id < 4 ? "a@example.org" : "a@example.org.example";
      view.accounts.put(account);
    }
  });
  CHECK(claims("a@example.org") == std::vector<AccountId>{1, 2, 3});
  CHECK(claims("a@example.org.example") == std::vector<AccountId>{4, 5});
  CHECK(claims("a@example").empty());
  CHECK(store->read().accounts.claiming("a@example.org").first(2).size() == 2);
  CHECK_FALSE(store->read().accounts.by_email("a@example.org"));
  const auto page = store->read().accounts.all(2).first(2);
  REQUIRE(page.size() == 2);
  CHECK(page[0].id == 3);
  CHECK(page[1].id == 4);
  CHECK(store->read().accounts.all(5).first(9).empty());
  write(store, [](WriteView& view) {
    AccountRecord confirmed = *view.accounts.find(1);
    confirmed.email = std::exchange(confirmed.claimed_email, "");
    view.accounts.put(confirmed);
    AccountRecord moved = *view.accounts.find(2);
    moved.claimed_email = "b@example.org";
    view.accounts.put(moved);
    view.accounts.remove(3);
  });
  CHECK(claims("a@example.org").empty());
  CHECK(claims("b@example.org") == std::vector<AccountId>{2});
  CHECK(store->read().accounts.by_email("a@example.org") == 1);
  write(store, [](WriteView& view) { view.accounts.remove(1); });
  CHECK_FALSE(store->read().accounts.by_email("a@example.org"));
  CHECK(store->read().counts().accounts == 3);
}

TEST_CASE_METHOD(OnEachEngine, "an address that another account took over stays that one's") {
  const Scratch scratch;
  const auto store = open_at(scratch / "s");
  const auto owner = [&] { return store->read().accounts.by_email("a@example.org"); };
  write(store, [](WriteView& view) {
    view.accounts.put(plain_account(1, "a@example.org"));
    view.accounts.put(plain_account(2, "a@example.org"));
    view.accounts.put(plain_account(3, "a@example.org"));
    view.accounts.remove(1);
  });
  CHECK(owner() == 3);
  write(store, [](WriteView& view) { view.accounts.put(plain_account(2, "")); });
  CHECK(owner() == 3);
  write(store, [](WriteView& view) { view.accounts.remove(3); });
  CHECK_FALSE(owner());
}

TEST_CASE_METHOD(OnEachEngine, "tokens are found by their hash until they are removed") {
  const Scratch scratch;
  const auto store = open_at(scratch / "s");
  write(store, [](WriteView& view) {
    for (std::uint32_t n = 1; n <= 3; ++n) view.tokens.put(hash(n), sample_token());
  });
  TokenRecord wanted = sample_token();
  wanted.digest = hash(2);
  CHECK(same(store->read().tokens.find(hash(2)).value(), wanted));
  CHECK_FALSE(store->read().tokens.find(hash(9)));
  CHECK(store->read().tokens.all({}).first(2).size() == 2);
  const auto rest = store->read().tokens.all(half_of(hash(2))).first(9);
  REQUIRE(rest.size() == 1);
  CHECK(rest[0].first == half_of(hash(3)));
  wanted.used_utc = 99;
  write(store, [&](WriteView& view) {
    view.tokens.put(hash(2), wanted);
    view.tokens.remove(half_of(hash(3)));
  });
  CHECK(store->read().tokens.find(hash(2))->used_utc == 99);
  CHECK_FALSE(store->read().tokens.find(hash(3)));
}

TEST_CASE_METHOD(OnEachEngine, "the audit grows at its end, and goes on there after a restart") {
  const Scratch scratch;
  for (UtcTime round = 0; round < 3; ++round) {
    const auto store = open_at(scratch / "s");
    write(store, [&](WriteView& view) {
      for (UtcTime i = 1; i <= 4; ++i) view.audit.append(sample_audit(round * 4 + i));
    });
  }
  const auto store = open_at(scratch / "s");
  CHECK(store->write([](WriteView& view) {
    view.audit.append(sample_audit(99));
    throw std::runtime_error("refused after all");
  }) == CommitOutcome::failed);
  const auto all = store->read().audit.all(0).first(100);
  REQUIRE(all.size() == 12);
  for (std::size_t i = 0; i < all.size(); ++i) {
    CHECK(all[i].first == i + 1);
    CHECK(same(all[i].second, sample_audit(static_cast<UtcTime>(i) + 1)));
  }
  const auto page = store->read().audit.all(7).first(2);
  REQUIRE(page.size() == 2);
  CHECK(page[0].first == 8);
}

TEST_CASE_METHOD(OnEachEngine,
                 "newcomers are counted per source and day, and only today's are kept") {
  const Scratch scratch;
  const auto store = open_at(scratch / "s");
  const IpAddress one = IpAddress::v4(1), two = IpAddress::v4(2);
  const auto count = [&](UtcTime day, const IpAddress& source) {
    return store->read().accounts.opened(day, source);
  };
  write(store, [&](WriteView& view) {
    for (int i = 0; i < 3; ++i) view.accounts.count_opened(20'000, one);
    view.accounts.count_opened(20'000, two);
    CHECK(view.accounts.opened(20'000, one) == 3);
  });
  CHECK(count(20'000, one) == 3);
  CHECK(count(20'000, two) == 1);
  CHECK(count(20'001, one) == 0);
  write(store, [&](WriteView& view) { view.accounts.count_opened(20'001, two); });
  CHECK(count(20'001, two) == 1);
  CHECK(count(20'000, one) == 0);
  write(store,
        [&](WriteView& view) { view.accounts.count_opened(20'000, two); });  // a clock set back
  CHECK(count(20'000, two) == 1);
  CHECK(count(20'001, two) == 0);
}

TEST_CASE_METHOD(OnEachEngine, "each store has a secret of its own, the same after a restart") {
  const Scratch scratch;
  const Sha256 first = open_at(scratch / "s")->read().secret();
  CHECK(open_at(scratch / "s")->read().secret() == first);
  CHECK(first != Sha256{});
  CHECK(open_at(scratch / "other")->read().secret() != first);
}
