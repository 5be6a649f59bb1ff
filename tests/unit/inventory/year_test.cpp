// A year of schedule with a clock that the test sets. Simulated servers renew, forget to, move and
// fail. The real rules decide when to look and what to conclude. A seed makes it repeatable.
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>

#include "inventory/rollup.hpp"
#include "inventory/schedule.hpp"

using namespace certline;

namespace {

constexpr UtcTime kStart = 1'800'000'000;
constexpr UtcTime kEnd = kStart + 365 * kDay;
constexpr EndpointId kNames = 40;
constexpr UtcTime kTick = 30;  // how often the dispatcher is asked

struct Span {
  UtcTime from, to;
};

// What really happens to one name.
struct Server {
  UtcTime lifetime = 90 * kDay;
  UtcTime issued = kStart;
  UtcTime renew_at = 0;
  std::uint8_t generation = 1;
  std::vector<Span> outages;
  std::vector<UtcTime> moves;  // a new address from then on
  UtcTime last_renewal = 0;
  // Found by the watcher.
  std::vector<UtcTime> renewal_lags, outage_lags, recovery_lags;
  std::uint64_t scans = 0;
};

std::size_t moves_until(const Server& s, UtcTime now) {
  std::size_t n = 0;
  while (n < s.moves.size() && s.moves[n] <= now) ++n;
  return n;
}

bool down(const Server& s, UtcTime now) {
  for (const auto& o : s.outages)
    if (now >= o.from && now < o.to) return true;
  return false;
}

class World : public DueIndex {
 public:
  explicit World(std::uint64_t seed) : random_(seed) {
    for (EndpointId id = 1; id <= kNames; ++id) add(id);
  }

  void run() {
    Dispatcher dispatcher(kStart, 0);
    for (UtcTime now = kStart; now < kEnd; now = next_moment(now)) {
      for (const EndpointId id : dispatcher.take(*this, now, 8)) {
        scan(id, now);
        dispatcher.finished(id);
      }
    }
  }

  std::vector<DueEntry> due(DueEntry after, UtcTime until, std::size_t most) const override {
    std::vector<DueEntry> out;
    for (auto at = due_.upper_bound(after); at != due_.end() && out.size() < most; ++at) {
      if (at->due_utc > until) break;
      out.push_back(*at);
    }
    return out;
  }

  std::map<EndpointId, Server> servers;
  std::map<EndpointId, EndpointRecord> endpoints;
  std::map<EndpointId, std::vector<AddressRecord>> addresses;
  std::map<EndpointId, std::vector<HistoryRecord>> history;
  std::uint64_t trace = 1469598103934665603ull;  // FNV-1a over all that was seen
  std::uint64_t scans = 0;
  UtcTime expired_lag = 0;
  std::set<EndpointId> expired;

 private:
  void add(EndpointId id) {
    Server s;
    // Every fourth lives 6 days; every tenth never renews.
    s.lifetime = id % 4 == 0 ? 6 * kDay : 90 * kDay;
    s.issued = kStart - below(s.lifetime / 4);
    plan_renewal(id, s);
    for (UtcTime t = kStart + below(60 * kDay); t < kEnd; t += 30 * kDay + below(60 * kDay))
      s.outages.push_back({t, t + 2 * kDay + below(2 * kDay)});
    if (id % 3 == 0)
      for (UtcTime t = kStart + kDay; t < kEnd - 5 * kDay; t += 20 * kDay + below(40 * kDay))
        s.moves.push_back(t);
    servers[id] = s;
    EndpointRecord e;
    e.id = id;
    e.host = "n" + std::to_string(id) + ".example";
    e.watchers = 1;
    e.next_scan_utc = kStart;
    endpoints[id] = e;
    due_.insert({kStart, id});
  }

  // Operators renew within two days of "due" (short-lived: within a quarter of a day).
  void plan_renewal(EndpointId id, Server& s) {
    const UtcTime window = s.lifetime > 10 * kDay ? 28 * kDay : s.lifetime / 2;
    const UtcTime slack = s.lifetime > 10 * kDay ? 2 * kDay : kDay / 4;
    s.renew_at = id % 10 == 0 ? kEnd : s.issued + s.lifetime - window + below(slack);
  }

  // Where nothing is due the clock jumps.
  UtcTime next_moment(UtcTime now) const {
    if (due_.empty()) return kEnd;
    return std::max(now + kTick, due_.begin()->due_utc);
  }

  UtcTime below(UtcTime most) {
    return static_cast<UtcTime>(random_() % static_cast<std::uint64_t>(most));
  }

  void live(EndpointId id, Server& s, UtcTime now) {
    while (s.renew_at <= now) {
      s.last_renewal = s.issued = s.renew_at;
      ++s.generation;
      plan_renewal(id, s);
    }
  }

  Observation look(EndpointId id, const Server& s, UtcTime now) {
    Observation o;
    o.started_utc = now;
    o.finished_utc = now + 1;
    o.resolution = ScanState::ok;
    AddressObservation row;
    row.address =
        IpAddress::v4(static_cast<std::uint32_t>(0xC6120000u + id * 256 + moves_until(s, now)));
    if (down(s, now)) {
      row.state = ScanState::refused;
    } else {
      Sha256 leaf{};
      leaf[0] = static_cast<std::uint8_t>(id);
      leaf[1] = s.generation;
      row.chain = {{leaf, {}}};
      row.not_before = s.issued;
      row.not_after = s.issued + s.lifetime;
      row.state = now >= row.not_after ? ScanState::expired : ScanState::ok;
      row.trusted = row.state == ScanState::ok;
    }
    o.addresses = {row};
    return o;
  }

  void scan(EndpointId id, UtcTime now) {
    Server& s = servers[id];
    live(id, s, now);
    ++s.scans;
    ++scans;
    const auto before = endpoints[id];
    auto out = apply_observation(before, addresses[id], look(id, s, now));
    out.endpoint.next_scan_utc =
        next_scan(out.endpoint, s.lifetime, now, [this] { return random_(); });
    due_.erase({before.next_scan_utc, id});
    due_.insert({out.endpoint.next_scan_utc, id});
    for (const auto& change : out.changes) {
      note(s, change, now);
      history[id].push_back(change);
    }
    note_expiry(id, before, out.endpoint, now);
    endpoints[id] = out.endpoint;
    addresses[id] = out.addresses;
    mix(id);
    mix(static_cast<std::uint64_t>(now));
    mix(static_cast<std::uint64_t>(out.endpoint.problem));
  }

  void note(Server& s, const HistoryRecord& change, UtcTime now) {
    if (change.kind == ChangeKind::certificate) s.renewal_lags.push_back(now - s.last_renewal);
    if (change.kind != ChangeKind::state) return;
    for (const auto& o : s.outages) {
      if (change.after == ScanState::refused && now >= o.from && now < o.to)
        s.outage_lags.push_back(now - o.from);
      // The outage that ended last is the one recovered from.
      if (change.before == ScanState::refused && now >= o.to && now < o.to + 7 * kHour)
        s.recovery_lags.push_back(now - o.to);
    }
  }

  void note_expiry(EndpointId id, const EndpointRecord& before, const EndpointRecord& after,
                   UtcTime now) {
    if (after.problem != ScanState::expired) return;
    const bool first = expired.insert(id).second;
    const Server& s = servers[id];
    if (first && before.problem == ScanState::ok)
      expired_lag = std::max(expired_lag, now - (s.issued + s.lifetime));
  }

  void mix(std::uint64_t value) {
    for (int i = 0; i < 8; ++i) trace = (trace ^ (value >> (8 * i) & 0xFF)) * 1099511628211ull;
  }

  std::mt19937_64 random_;
  std::set<DueEntry> due_;
};

}  // namespace

TEST_CASE("a year: renewals, expiry, moves and outages are noticed in time") {
  World world(7);
  world.run();
  std::size_t renewals = 0, outages = 0, recoveries = 0, moves = 0;
  for (auto& [id, s] : world.servers) {
    INFO("endpoint " << id);
    for (const UtcTime lag : s.renewal_lags) CHECK(lag <= 6 * kHour + kMinute);
    for (const UtcTime lag : s.outage_lags) CHECK(lag <= kDay * 12 / 10 + kMinute);
    for (const UtcTime lag : s.recovery_lags) CHECK(lag <= 6 * kHour + kMinute);
    renewals += s.renewal_lags.size();
    outages += s.outage_lags.size();
    recoveries += s.recovery_lags.size();
    // Every move that was followed by a scan is in the history, and the record is the newest
    // address.
    std::size_t appeared = 0, disappeared = 0;
    for (const auto& change : world.history[id]) {
      appeared += change.kind == ChangeKind::appeared;
      disappeared += change.kind == ChangeKind::disappeared;
    }
    CHECK(appeared == s.moves.size() + 1);
    CHECK(disappeared == s.moves.size());
    REQUIRE(world.addresses[id].size() == 1);
    CHECK(world.addresses[id][0].address.bytes[15] == s.moves.size());
    moves += s.moves.size();
    // At least one look per 1.2 days, at most one per short-lived interval plus failures.
    CHECK(s.scans >= 365 * 10 / 12);
    CHECK(s.scans <= 365 * 5 + 100);
    CHECK(world.endpoints[id].next_scan_utc >= kEnd - kTick);
  }
  CHECK(renewals > 400);
  CHECK(outages > 150);
  CHECK(recoveries >= outages - kNames);
  CHECK(moves > 80);
  // Those that never renew.
  CHECK(world.expired == std::set<EndpointId>{10, 20, 30, 40});
  CHECK(world.expired_lag <= 6 * kHour + kMinute);
}

TEST_CASE("the same seed gives the same year, another seed another") {
  World first(11), second(11), third(12);
  first.run();
  second.run();
  third.run();
  CHECK(first.trace == second.trace);
  CHECK(first.scans == second.scans);
  CHECK(first.trace != third.trace);
}
