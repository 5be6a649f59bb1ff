// From an observation to records. The rules are inventory's; here they meet the store, inside the
// write transaction, so that the endpoint judged is the endpoint written.
#include <algorithm>

#include "daemon/scan_driver.hpp"
#include "inventory/rollup.hpp"

namespace certline::daemon {
namespace {

using store::WriteView;
using Ders = std::vector<std::pair<Sha256, std::vector<std::uint8_t>>>;

constexpr std::size_t kWatchersPerScan = 10'000;

// Half of what new names leave free. Where no more is left, a scan adds no rows and only changes
// those that are there, so that removals still find room for the pages they copy.
constexpr std::uint64_t kReservedShare = 20;
constexpr std::uint64_t kReservedBytes = 128 * 1024;

bool room_for_new_rows(const WriteView& view) {
  return view.free_bytes() >= std::max(view.map_bytes() / kReservedShare, kReservedBytes);
}

bool knows(const std::vector<AddressRecord>& records, const IpAddress& address) {
  return std::any_of(records.begin(), records.end(),
                     [&](const AddressRecord& r) { return r.address == address; });
}

// Marks the announced leaves that every address serves now; true while some are still awaited.
bool settle_expectations(WriteView& view, EndpointId endpoint,
                         const std::vector<AddressRecord>& addresses, UtcTime now) {
  bool open = false;
  for (const auto& [account, canonical] : view.watchers(endpoint, kWatchersPerScan)) {
    auto watch = view.watch(account, canonical);
    if (!watch || !watch->expected || watch->expected_met_utc != 0) continue;
    if (!serves_everywhere(addresses, *watch->expected)) {
      open = true;
      continue;
    }
    watch->expected_met_utc = now;
    view.put_watch(account, canonical, *watch);
  }
  return open;
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

void apply_scan(WriteView& view, EndpointId id, const scanner::Target& target,
                const Observation& seen, UtcTime now, const Random& random) {
  const auto endpoint = view.endpoint(id);
  if (!endpoint || endpoint->host != target.host || endpoint->port != target.port ||
      endpoint->starttls != target.starttls) {
    return;
  }
  const std::vector<AddressRecord> known = view.addresses(id);
  ScanOutcome outcome = apply_observation(*endpoint, known, seen);
  const bool room = room_for_new_rows(view);
  for (const IpAddress& gone : outcome.gone) view.remove_address(id, gone);
  for (const AddressRecord& address : outcome.addresses) {
    if (!room && !knows(known, address.address)) continue;
    view.put_address(id, address, ders_of(seen, address.address), now);
  }
  if (room) {
    for (const HistoryRecord& change : outcome.changes) view.append_history(id, change);
    for (const ObservedCertificate& c : seen.proven_intermediates) {
      view.put_intermediate(c.sha256, c.der);
    }
  }

  EndpointRecord& next = outcome.endpoint;
  if (next.expectation_open) {
    next.expectation_open = settle_expectations(view, id, outcome.addresses, now);
    if (!next.expectation_open) next.expectation_step = 0;
  }
  // Asked for while this one was under way: that scan is still owed.
  const bool owed = endpoint->next_scan_utc > seen.started_utc;
  if (!owed) {
    next.next_scan_utc = next_scan(next, shortest_lifetime(outcome.addresses), now, random);
  }
  if (next.expectation_open) ++next.expectation_step;
  view.put_endpoint(next);
}

}  // namespace certline::daemon
