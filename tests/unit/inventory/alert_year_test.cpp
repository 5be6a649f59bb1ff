// A year of reports about certificates. Servers renew in time, late or never, have certificates for
// a few days only, go away and flap. The reports are compared with what really happened.
#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "inventory/alerts.hpp"
#include "inventory/rollup.hpp"
#include "inventory/schedule.hpp"

using namespace certline;

namespace {

constexpr UtcTime kStart = 1'800'000'000;
constexpr UtcTime kEnd = kStart + 365 * kDay;

struct Kind {
  std::string_view name;
  UtcTime lifetime;     // days
  double renewed_left;  // of it, when it is renewed; below 0: so long after its end
  int addresses = 1;
  UtcTime roll_hours = 0;  // from the first address with a new certificate to the last
  double flaps = 0;        // share of scans that fail
  UtcTime away_from = -1, away_to = -1;  // days of the year
};

struct Tally {
  std::map<EventKind, int> begun, ended;
  int renewals = 0;  // that happened
};

Sha256 leaf_of(int generation) {
  Sha256 out{};
  out[0] = static_cast<std::uint8_t>(generation + 1);
  return out;
}

class Server {
 public:
  explicit Server(const Kind& kind) : kind_(kind) {
    issued_.push_back(kStart);
    const auto lifetime = static_cast<double>(kind.lifetime * kDay);
    const auto every = static_cast<UtcTime>(lifetime * (1 - kind.renewed_left));
    for (UtcTime at = kStart + every; at < kEnd; at += every) issued_.push_back(at);
  }

  int renewals_before(UtcTime now) const {
    const UtcTime settled = now - kind_.roll_hours * kHour;
    return static_cast<int>(std::count_if(issued_.begin(), issued_.end(),
                                          [&](UtcTime t) { return t <= settled; })) -
           1;
  }

  Observation look(UtcTime now, bool fails) const {
    Observation seen;
    seen.resolution = ScanState::ok;
    seen.started_utc = seen.finished_utc = now;
    const bool away = now >= kStart + kind_.away_from * kDay && now < kStart + kind_.away_to * kDay;
    for (int n = 0; n < kind_.addresses; ++n) {
      AddressObservation one;
      one.address = IpAddress::v4(0xc0000201u + static_cast<std::uint32_t>(n));
      one.state = ScanState::timeout;
      if (!fails && !away) show(one, now, n);
      seen.addresses.push_back(std::move(one));
    }
    return seen;
  }

 private:
  void show(AddressObservation& one, UtcTime now, int n) const {
    const UtcTime late =
        kind_.addresses > 1 ? n * kind_.roll_hours * kHour / (kind_.addresses - 1) : 0;
    int generation = 0;
    for (int i = 0; i < static_cast<int>(issued_.size()); ++i) {
      if (issued_[static_cast<std::size_t>(i)] + (i == 0 ? 0 : late) <= now) generation = i;
    }
    one.not_before = issued_[static_cast<std::size_t>(generation)];
    one.not_after = one.not_before + kind_.lifetime * kDay;
    one.state = now < one.not_after ? ScanState::ok : ScanState::expired;
    one.trusted = one.state == ScanState::ok;
    one.chain.push_back({leaf_of(generation), {}});
  }

  const Kind& kind_;
  std::vector<UtcTime> issued_;
};

Tally year(const Kind& kind, unsigned seed) {
  std::mt19937_64 numbers(seed);
  const Random random = [&] { return numbers(); };
  const Server server(kind);
  EndpointRecord endpoint;
  endpoint.id = 1;
  std::vector<AddressRecord> addresses;
  AlertState state;
  Tally tally;
  std::map<std::pair<EventKind, Subject>, std::uint8_t> open;
  UtcTime now = kStart, last = now;
  for (; now < kEnd; now = endpoint.next_scan_utc) {
    last = now;
    const bool fails = static_cast<double>(numbers() % 1000) < kind.flaps * 1000;
    const ScanOutcome outcome = apply_observation(endpoint, addresses, server.look(now, fails));
    endpoint = outcome.endpoint;
    addresses = outcome.addresses;
    for (const AlertEvent& event : judge(state, endpoint, addresses, now, false)) {
      const std::pair key(event.kind, event.subject);
      if (event.over) {
        if (open.erase(key) != 0) ++tally.ended[event.kind];
        continue;
      }
      const auto [at, fresh] = open.try_emplace(key, event.stage);
      if (!fresh) {  // only a later stage of what is open may be told again
        CHECK(event.stage > at->second);
        at->second = event.stage;
      }
      ++tally.begun[event.kind];
    }
    endpoint.next_scan_utc = next_scan(endpoint, kind.lifetime * kDay, now, random);
  }
  tally.renewals = server.renewals_before(last);
  // What stands is what is open.
  for (const AlertEvent& event : standing(state, endpoint.id)) {
    CHECK(open.contains({event.kind, event.subject}));
  }
  return tally;
}

}  // namespace

TEST_CASE("A year of certificates") {
  const std::vector<Kind> kinds = {
      {"in time", 90, 0.40},
      {"late: four stages of each", 90, 0.05},
      {"short-lived, in time", 6, 0.55},
      {"on all of five addresses, over two hours", 90, 0.40, 5, 2},
      {"flapping, never thrice in a row", 90, 0.40, 1, 0, 0.1},
      {"away for a month", 90, 0.40, 1, 0, 0, 100, 130},
      {"renewed after its end", 90, -0.1},
  };
  std::map<std::string_view, Tally> found;
  for (const Kind& kind : kinds) {
    INFO(kind.name);
    const Tally tally = found[kind.name] = year(kind, 1);
    // Each renewal once, nothing twice.
    CHECK(std::abs(tally.begun.contains(EventKind::renewed)
                       ? tally.begun.at(EventKind::renewed) - tally.renewals
                       : tally.renewals) <= 1);
    CHECK(tally.begun.count(EventKind::verdict) == 0);
    CHECK(tally.begun.count(EventKind::addresses_disagree) == 0);
  }
  const auto begun = [&](std::string_view name, EventKind kind) {
    const auto& all = found.at(name).begun;
    return all.contains(kind) ? all.at(kind) : 0;
  };
  CHECK(found.at("in time").begun.size() == 1);  // renewals alone
  CHECK(found.at("short-lived, in time").begun.size() == 1);
  CHECK(found.at("short-lived, in time").renewals > 100);
  CHECK(found.at("on all of five addresses, over two hours").begun.size() == 1);

  const Tally& late = found.at("late: four stages of each");
  CHECK(late.begun.at(EventKind::renewal_overdue) >= 4 * 4);
  CHECK(late.ended.at(EventKind::renewal_overdue) == late.renewals);
  CHECK(late.begun.count(EventKind::expired) == 0);

  const Tally& after = found.at("renewed after its end");
  CHECK(after.begun.at(EventKind::expired) >= 3 * 7);  // nine days each: daily, then weekly
  CHECK(after.ended.at(EventKind::expired) == after.renewals);

  CHECK(begun("away for a month", EventKind::unreachable) == 1);
  CHECK(found.at("away for a month").ended.at(EventKind::unreachable) == 1);
  CHECK(begun("flapping, never thrice in a row", EventKind::unreachable) <= 1);
}
