// Turns an observation into records. The rules are inventory's. They run here inside the write
// transaction, so the endpoint that is judged is the endpoint that is written. Next:
// inventory/rollup.cpp, then inventory/alert_judgement.cpp.
#include <algorithm>

#include "daemon/notices/incidents.hpp"
#include "daemon/scans/scan_driver.hpp"
#include "inventory/rollup.hpp"
#include "pki/certificate.hpp"
#include "pki/host_match.hpp"
#include "store/room.hpp"

namespace certline::scans {
namespace {

using store::WriteView;
using Ders = std::vector<std::pair<Sha256, std::vector<std::uint8_t>>>;

constexpr std::size_t kWatchersPerScan = 10'000;

bool knows(const std::vector<AddressRecord>& records, const IpAddress& address) {
  return std::any_of(records.begin(), records.end(),
                     [&](const AddressRecord& r) { return r.address == address; });
}

bool shows(const std::vector<AddressRecord>& addresses, const Sha256& leaf) {
  return std::any_of(addresses.begin(), addresses.end(), [&](const AddressRecord& a) {
    return !a.chain.empty() && a.chain.front() == leaf;
  });
}

// Does what was seen belong to the name? Asked only while a watch of it is on trial.
bool belongs(const EndpointRecord& endpoint, const Observation& seen) {
  const auto ip = IpAddress::parse(endpoint.host);
  return std::any_of(seen.addresses.begin(), seen.addresses.end(), [&](const auto& address) {
    if (address.chain.empty()) return false;
    const auto leaf = pki::Certificate::parse(address.chain.front().der);
    if (!leaf) return false;
    return ip ? pki::covers_address(*leaf, *ip) : pki::covers_host(*leaf, endpoint.host);
  });
}

// The watches of one endpoint after a scan of it: announced leaves and trials.
class WatchesOfScan {
 public:
  WatchesOfScan(WriteView& view, const ScanRules& rules, const Observation& seen,
                const std::vector<AddressRecord>& addresses)
      : view_(view), rules_(rules), seen_(seen), addresses_(addresses) {}

  void settle(EndpointRecord& endpoint) {
    bool open = false;
    for (const auto& [account, canonical] : view_.watches.on(endpoint.id).first(kWatchersPerScan)) {
      auto watch = view_.watches.find(account, canonical);
      if (!watch) continue;
      bool changed = settle_trial(endpoint, account, *watch);
      changed = notices::judge_expectation(view_, rules_.config, account, canonical, *watch,
                                           addresses_, rules_.now) ||
                changed;
      open = open || (watch->expected && watch->expected_met_utc == 0);
      if (changed) view_.watches.put(account, canonical, *watch);
    }
    endpoint.expectation_open = open;
    if (!open) endpoint.expectation_step = 0;
  }

 private:
  bool settle_trial(EndpointRecord& endpoint, AccountId account, WatchRecord& watch) {
    if (watch.trial_until_utc == 0 || watch.resting) return false;
    if (is_free(account) || fits(endpoint, watch)) {
      watch.trial_until_utc = 0;
      return true;
    }
    if (rules_.now < watch.trial_until_utc) return false;
    watch.resting = true;
    ++endpoint.resting;
    return true;
  }

  bool is_free(AccountId id) const {
    if (rules_.config.verification == runtime::Verification::off) return true;
    const auto account = view_.accounts.find(id);
    return account && account->verified_utc != 0;
  }

  bool fits(const EndpointRecord& endpoint, const WatchRecord& watch) {
    if (watch.expected && shows(addresses_, *watch.expected)) return true;
    if (!belongs_) belongs_ = belongs(endpoint, seen_);
    return *belongs_;
  }

  WriteView& view_;
  const ScanRules& rules_;
  const Observation& seen_;
  const std::vector<AddressRecord>& addresses_;
  std::optional<bool> belongs_;
};

// Judges and tells; gives what the scan says about the daemon's own network.
std::optional<NetworkHint> tell(WriteView& view, const ScanRules& rules,
                                const EndpointRecord& endpoint,
                                const std::vector<AddressRecord>& addresses) {
  const AlertState before = view.incidents.alerts(endpoint.id);
  AlertState state = before;
  const auto events = judge(state, endpoint, addresses, rules.now, rules.outage);
  if (state != before) view.incidents.put_alerts(endpoint.id, state);
  notices::tell_scan(view, rules.config, endpoint, events, rules.now);
  const NetworkTrouble trouble = network_trouble(endpoint, addresses);
  if (before.network_told != EventKind::test || trouble.state == ScanState::policy) {
    return std::nullopt;
  }
  return NetworkHint{trouble.kind == EventKind::unreachable ||
                     trouble.kind == EventKind::could_not_check};
}

UtcTime shortest_lifetime(const std::vector<AddressRecord>& addresses) {
  UtcTime shortest = 0;
  for (const AddressRecord& address : addresses) {
    const UtcTime lifetime = address.not_after_utc - address.not_before_utc;
    if (address.chain.empty() || lifetime <= 0) continue;
    shortest = shortest == 0 ? lifetime : std::min(shortest, lifetime);
  }
  return shortest;
}

Ders ders_of(const Observation& seen, const IpAddress& address) {
  Ders ders;
  for (const AddressObservation& observed : seen.addresses) {
    if (observed.address != address) continue;
    for (const ObservedCertificate& c : observed.chain) ders.emplace_back(c.sha256, c.der);
  }
  return ders;
}

}  // namespace

std::optional<bool> tell_outage_change(WriteView& view, const OutageState& book,
                                       const runtime::Config& config, UtcTime now) {
  const bool outage = book.watch.outage();
  if (book.told == outage) return book.told;
  // After a start nothing is over before enough was seen.
  if (!book.told && !outage && book.watch.seen() < OutageWatch::kLeastToEnd) return book.told;
  notices::tell_outage(view, config, outage, now);
  return outage;
}

std::optional<NetworkHint> apply_scan(WriteView& view, EndpointId id, const scanner::Target& target,
                                      const Observation& seen, const ScanRules& rules) {
  const auto endpoint = view.endpoints.find(id);
  if (!endpoint || endpoint->host != target.host || endpoint->port != target.port ||
      endpoint->starttls != target.starttls) {
    return std::nullopt;
  }
  const std::vector<AddressRecord> known = view.addresses.of(id);
  ScanOutcome outcome = apply_observation(*endpoint, known, seen);
  const UtcTime now = rules.now;
  const bool room = store::has_room_for_rows(view);
  for (const IpAddress& gone : outcome.gone) view.addresses.remove(id, gone);
  for (const AddressRecord& address : outcome.addresses) {
    if (!room && !knows(known, address.address)) continue;
    view.addresses.put(id, address, ders_of(seen, address.address), now);
  }
  if (room) {
    for (const HistoryRecord& change : outcome.changes) view.history.append(id, change);
    for (const ObservedCertificate& c : seen.proven_intermediates) {
      view.certificates.put_intermediate(c.sha256, c.der);
    }
  }

  EndpointRecord& next = outcome.endpoint;
  std::optional<NetworkHint> hint;
  if (room) hint = tell(view, rules, next, outcome.addresses);
  if (next.expectation_open || rules.config.verification == runtime::Verification::email) {
    WatchesOfScan(view, rules, seen, outcome.addresses).settle(next);
  }
  // Asked for while this one was under way: that scan is still owed.
  const bool owed = endpoint->next_scan_utc > seen.started_utc;
  if (!owed) {
    next.next_scan_utc = next_scan(next, shortest_lifetime(outcome.addresses), now, rules.random);
  }
  if (next.expectation_open) ++next.expectation_step;
  view.endpoints.put(next);
  return hint;
}

}  // namespace certline::scans
