// The store against a model of plain maps: thousands of random operations, then every table and
// every index is compared, before and after a restart.
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>

#include "tests/unit/store/engines.hpp"

using namespace certline;
using namespace certline::store;
using namespace certline::store::test;

namespace {

using Ders = std::vector<std::pair<Sha256, std::vector<std::uint8_t>>>;

struct Model {
  std::map<std::pair<AccountId, std::string>, WatchRecord> watches;
  std::map<EndpointId, EndpointRecord> endpoints;
  std::map<std::pair<EndpointId, IpAddress>, AddressRecord> addresses;
  std::map<EndpointId, std::map<IpAddress, std::vector<HistoryRecord>>> history;

  std::map<Sha256, std::uint32_t> references() const {
    std::map<Sha256, std::uint32_t> out;
    for (const auto& [key, record] : addresses)
      for (const auto& h : std::set<Sha256>(record.chain.begin(), record.chain.end())) ++out[h];
    for (const auto& [id, by_address] : history)
      for (const auto& [address, list] : by_address)
        for (const auto& record : list)
          for (const auto& h : std::set<Sha256>{*record.leaf_before, *record.leaf_after}) ++out[h];
    return out;
  }
};

class Storm {
 public:
  explicit Storm(std::uint32_t seed) : random_(seed) {}

  // One random operation on both.
  void step(WriteView& view, Model& model) {
    const EndpointId id = 1 + random_() % 12;
    const std::uint32_t n = random_() % 4;
    switch (random_() % 9) {
      case 0:
        return put_watch(view, model, id);
      case 1:
        return remove_watch(view, model);
      case 2:
      case 3:
        return put_endpoint(view, model, id);
      case 4:
        return remove_endpoint(view, model, id);
      case 5:
        return remove_address(view, model, id, n);
      case 6:
      case 7:
        return put_address(view, model, id, n);
      default:
        return append_history(view, model, id, n);
    }
  }

 private:
  std::string name() { return "n" + std::to_string(random_() % 20) + ".example"; }

  void put_watch(WriteView& view, Model& model, EndpointId id) {
    const AccountId account = 1 + random_() % 3;
    const std::string canonical = name();
    auto record = sample_watch(id);
    record.created_utc = random_() % 1000;
    if (random_() % 2) record.expected.reset();
    view.watches.put(account, canonical, record);
    model.watches[{account, canonical}] = record;
  }

  void remove_watch(WriteView& view, Model& model) {
    const AccountId account = 1 + random_() % 3;
    const std::string canonical = name();
    view.watches.remove(account, canonical);
    model.watches.erase({account, canonical});
  }

  void put_endpoint(WriteView& view, Model& model, EndpointId id) {
    auto record = sample_endpoint(id);
    record.watchers = static_cast<std::uint32_t>(random_() % 3);
    record.resting = static_cast<std::uint32_t>(random_() % (record.watchers + 1));
    record.next_scan_utc = random_() % 50;
    view.endpoints.put(record);
    model.endpoints[id] = record;
  }

  void remove_endpoint(WriteView& view, Model& model, EndpointId id) {
    view.endpoints.remove(id);
    if (model.endpoints.erase(id) == 0) return;
    std::erase_if(model.addresses, [&](const auto& row) { return row.first.first == id; });
    model.history.erase(id);
  }

  void put_address(WriteView& view, Model& model, EndpointId id, std::uint32_t n) {
    if (!model.endpoints.contains(id)) return;
    auto record = sample_address(n);
    record.chain.clear();
    Ders ders;
    for (std::size_t i = 0; i < random_() % 14; ++i) {
      record.chain.push_back(hash(static_cast<std::uint32_t>(random_() % 30)));
      ders.emplace_back(record.chain.back(), der(1));
    }
    view.addresses.put(id, record, ders, 5);
    if (record.chain.size() > kStoredChainCertificates)
      record.chain.resize(kStoredChainCertificates);
    model.addresses[{id, record.address}] = record;
  }

  void remove_address(WriteView& view, Model& model, EndpointId id, std::uint32_t n) {
    const IpAddress address = sample_address(n).address;
    view.addresses.remove(id, address);
    model.addresses.erase({id, address});
  }

  // History names leaves that this endpoint serves before or after, in one job with them.
  void append_history(WriteView& view, Model& model, EndpointId id, std::uint32_t n) {
    const auto at = model.addresses.find({id, sample_address(n).address});
    if (at == model.addresses.end() || at->second.chain.empty()) return;
    auto record = sample_history(n, ++clock_ / 3);
    record.leaf_before = at->second.chain.front();
    record.leaf_after = at->second.chain.back();
    view.history.append(id, record);
    auto& list = model.history[id][record.address];
    list.push_back(record);
    if (list.size() > kHistoryPerAddress) list.erase(list.begin());
  }

  std::mt19937 random_;
  UtcTime clock_ = 0;
};

void compare_watches(const ReadView& view, const Model& model) {
  std::size_t count = 0;
  for (AccountId account = 1; account <= 3; ++account) {
    for (const auto& [name, record] : view.watches.of(account, "").first(1000)) {
      const auto at = model.watches.find({account, name});
      REQUIRE(at != model.watches.end());
      REQUIRE(same(at->second, record));
      ++count;
    }
  }
  REQUIRE(count == model.watches.size());
  std::set<std::tuple<EndpointId, AccountId, std::string>> wanted, found;
  for (const auto& [key, record] : model.watches)
    wanted.emplace(record.endpoint, key.first, key.second);
  for (EndpointId id = 1; id <= 12; ++id)
    for (const auto& [account, name] : view.watches.on(id).first(1000))
      found.emplace(id, account, name);
  REQUIRE(wanted == found);
}

void compare_endpoints(const ReadView& view, const Model& model) {
  std::vector<DueEntry> due;
  for (EndpointId id = 1; id <= 12; ++id) {
    const auto at = model.endpoints.find(id);
    const auto found = view.endpoints.find(id);
    REQUIRE(found.has_value() == (at != model.endpoints.end()));
    const auto record = sample_endpoint(id);
    const auto by_name = view.endpoints.named(record.host, record.port, record.starttls);
    REQUIRE(by_name.has_value() == found.has_value());
    if (!found) continue;
    REQUIRE(*by_name == id);
    REQUIRE(same(*found, at->second));
    if (found->watchers > found->resting) due.push_back({found->next_scan_utc, id});
  }
  std::sort(due.begin(), due.end());
  REQUIRE(view.endpoints.due({}, 1000).first(1000) == due);
  REQUIRE(view.endpoints.due_count(1000) == due.size());
}

void compare_addresses(const ReadView& view, const Model& model) {
  for (EndpointId id = 1; id <= 12; ++id) {
    std::vector<AddressRecord> wanted;
    for (const auto& [key, record] : model.addresses)
      if (key.first == id) wanted.push_back(record);
    const auto found = view.addresses.of(id);
    REQUIRE(found.size() == wanted.size());
    for (std::size_t i = 0; i < found.size(); ++i) REQUIRE(same(found[i], wanted[i]));
    std::vector<HistoryRecord> changes;
    if (const auto at = model.history.find(id); at != model.history.end())
      for (const auto& [address, list] : at->second)
        changes.insert(changes.end(), list.begin(), list.end());
    const auto history = view.history.of(id);
    REQUIRE(history.size() == changes.size());
    for (std::size_t i = 0; i < history.size(); ++i) REQUIRE(same(history[i], changes[i]));
  }
  const auto references = model.references();
  REQUIRE(view.counts().certificates == references.size());
  for (const auto& [hash, count] : references) {
    const auto found = view.certificates.find(hash);
    REQUIRE(found);
    REQUIRE(found->references == count);
  }
}

void compare(const Store& store, const Model& model) {
  const auto view = store.read();
  compare_watches(view, model);
  compare_endpoints(view, model);
  compare_addresses(view, model);
  REQUIRE(view.counts().watches == model.watches.size());
  REQUIRE(view.counts().endpoints == model.endpoints.size());
}

}  // namespace

TEST_CASE_METHOD(OnEachEngine, "random operations leave what the model says") {
  const Scratch scratch;
  Model model;
  Storm storm(3);
  {
    const auto store = open_at(scratch / "s");
    for (int job = 0; job < 400; ++job) {
      const auto outcome = store->write([&](WriteView& view) {
        for (int i = 0; i < 40; ++i) storm.step(view, model);
      });
      REQUIRE(outcome == CommitOutcome::committed);
      if (job % 20 == 0) compare(*store, model);
    }
    compare(*store, model);
    CHECK(model.references().size() > 10);
  }
  const auto again = open_at(scratch / "s");
  compare(*again, model);
}

TEST_CASE_METHOD(OnEachEngine,
                 "an endpoint whose addresses rotate for ever keeps a bounded history") {
  const Scratch scratch;
  const auto store = open_at(scratch / "s");
  for (std::uint32_t round = 0; round < 9; ++round) {
    REQUIRE(store->write([&](WriteView& view) {
      view.endpoints.put(sample_endpoint(1));
      for (std::uint32_t i = 0; i < 100; ++i) {
        auto record = sample_history(round * 100 + i, 1000 + round * 100 + i);
        record.leaf_before.reset();
        record.leaf_after.reset();
        view.history.append(1, record);
      }
    }) == CommitOutcome::committed);
  }
  const auto kept = store->read().history.of(1);
  CHECK(kept.size() == kHistoryPerEndpoint);
  for (const auto& record : kept) CHECK(record.at_utc >= 1900 - UtcTime(kHistoryPerEndpoint));
}

TEST_CASE_METHOD(OnEachEngine,
                 "certificates: the order within a job is free, an unknown one fails the job") {
  const Scratch scratch;
  const auto store = open_at(scratch / "s");
  const auto address = sample_address(1);
  const Ders ders = {{address.chain[0], der(1)}, {address.chain[1], der(2)}};
  auto change = sample_history(1);
  change.leaf_before.reset();
  change.leaf_after = address.chain[0];
  REQUIRE(store->write([&](WriteView& view) {
    view.endpoints.put(sample_endpoint(1));
    view.history.append(1, change);
    view.addresses.put(1, address, ders, 9);
    const auto seen = view.certificates.find(address.chain[0]);
    REQUIRE(seen);
    CHECK(seen->references == 2);
  }) == CommitOutcome::committed);
  CHECK(store->read().certificates.find(address.chain[0])->references == 2);
  CHECK(store->read().certificates.find(address.chain[0])->first_seen_utc == 9);
  CHECK(store->write([&](WriteView& view) {
    auto unknown = sample_address(2);
    unknown.chain = {hash(12345)};
    view.addresses.put(1, unknown, {}, 9);
  }) == CommitOutcome::failed);
  CHECK_FALSE(store->read().addresses.find(1, sample_address(2).address));
  REQUIRE(store->write([&](WriteView& view) { view.endpoints.remove(1); }) ==
          CommitOutcome::committed);
  CHECK(store->read().counts().certificates == 0);
  CHECK(store->read().history.of(1).empty());
}

TEST_CASE_METHOD(OnEachEngine, "accounts, e-mail index, pages of names, intermediates") {
  const Scratch scratch;
  const auto store = open_at(scratch / "s");
  AccountId first = 0, second = 0;
  REQUIRE(store->write([&](WriteView& view) {
    first = view.accounts.new_id();
    second = view.accounts.new_id();
    view.accounts.put(plain_account(first, "a@example.org"));
    view.accounts.put(plain_account(second, ""));
    view.certificates.put_intermediate(hash(1), der(1));
    view.certificates.put_intermediate(hash(1), der(1));
    for (const char* name : {"a.example", "b.example", "c.example", "d.example"})
      view.watches.put(first, name, sample_watch());
    view.watches.put(second, "aa.example", sample_watch());
  }) == CommitOutcome::committed);
  CHECK(first != second);
  CHECK(store->read().accounts.by_email("a@example.org") == first);
  CHECK_FALSE(store->read().accounts.by_email(""));
  const auto page = store->read().watches.of(first, "b.example").first(1);
  REQUIRE(page.size() == 1);
  CHECK(page[0].first == "c.example");
  CHECK(store->read().watches.of(first, "bb").first(10).size() == 2);
  CHECK(store->read().watches.of(second, "").first(10).size() == 1);
  CHECK(store->read().certificates.intermediates().size() == 1);
  REQUIRE(store->write([&](WriteView& view) {
    view.accounts.put(plain_account(first, "b@example.org"));
  }) == CommitOutcome::committed);
  CHECK_FALSE(store->read().accounts.by_email("a@example.org"));
  CHECK(store->read().accounts.by_email("b@example.org") == first);
  REQUIRE(store->write([&](WriteView& view) { view.accounts.remove(first); }) ==
          CommitOutcome::committed);
  CHECK_FALSE(store->read().accounts.by_email("b@example.org"));
  CHECK_FALSE(store->read().accounts.find(first));
}
