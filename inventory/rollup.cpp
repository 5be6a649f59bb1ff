// Sums up the single addresses of a name, and applies one observation to the records it changes.
// These are pure functions: the caller reads the records before and writes the results after, in
// one transaction, so nothing is half applied. Next: alert_judgement.cpp.
#include "inventory/rollup.hpp"

#include <algorithm>
#include <limits>

#include "inventory/renewal.hpp"
#include "protocol/text_limits.hpp"

namespace certline {
namespace {

constexpr std::size_t kDetailBytes = 200;

std::string with_suffix(std::string_view text, std::string_view suffix) {
  const std::size_t most = kDetailBytes - std::min(suffix.size(), kDetailBytes);
  return std::string(whole_prefix(text, most)) += suffix;
}

bool has_certificate(const AddressRecord& record) {
  return !record.chain.empty();
}

std::optional<Sha256> leaf_of(const AddressRecord& record) {
  if (record.chain.empty()) return std::nullopt;
  return record.chain.front();
}

// Says which address is to blame where there are several.
std::string detail_of(const AddressRecord& worst, std::span<const AddressRecord> all) {
  if (worst.state == ScanState::ok) return {};
  const std::string_view reason =
      worst.detail.empty() ? scan_state_name(worst.state) : std::string_view(worst.detail);
  if (all.size() == 1) return std::string(whole_prefix(reason, kDetailBytes));
  const auto fine = std::count_if(all.begin(), all.end(),
                                  [](const AddressRecord& a) { return a.state == ScanState::ok; });
  return with_suffix(
      worst.address.to_string() + ": " + std::string(reason),
      "; " + std::to_string(fine) + " of " + std::to_string(all.size()) + " addresses fine");
}

const AddressRecord* find(std::span<const AddressRecord> records, const IpAddress& address) {
  const auto at = std::find_if(records.begin(), records.end(),
                               [&](const AddressRecord& r) { return r.address == address; });
  return at == records.end() ? nullptr : &*at;
}

AddressRecord make_record(const AddressObservation& seen, const AddressRecord* before,
                          UtcTime now) {
  AddressRecord record;
  record.address = seen.address;
  record.state = seen.state;
  record.detail = whole_prefix(seen.detail, kDetailBytes);
  for (const auto& certificate : seen.chain) {
    if (record.chain.size() == kStoredChainCertificates) break;
    record.chain.push_back(certificate.sha256);
  }
  record.trusted = seen.trusted && has_certificate(record);
  record.not_before_utc = seen.not_before;
  record.not_after_utc = seen.not_after;
  record.protocol = seen.protocol;
  record.cipher = seen.cipher;
  record.alpn = seen.alpn;
  record.group = seen.group;
  record.first_seen_utc = before ? before->first_seen_utc : now;
  record.last_scan_utc = now;
  record.state_since_utc = before && before->state == seen.state ? before->state_since_utc : now;
  record.last_certificate_utc =
      has_certificate(record) ? now : (before ? before->last_certificate_utc : 0);
  return record;
}

HistoryRecord change(ChangeKind kind, const AddressRecord* before, const AddressRecord* after,
                     UtcTime now) {
  HistoryRecord record;
  record.at_utc = now;
  record.address = before ? before->address : after->address;
  record.kind = kind;
  if (before) {
    record.before = before->state;
    record.leaf_before = leaf_of(*before);
  }
  if (after) {
    record.after = after->state;
    record.leaf_after = leaf_of(*after);
  }
  return record;
}

// A leaf that merely went missing is told by the state; a certificate change needs two leaves.
void note_changes(const AddressRecord* before, const AddressRecord& after, UtcTime now,
                  std::vector<HistoryRecord>& changes) {
  if (!before) {
    changes.push_back(change(ChangeKind::appeared, nullptr, &after, now));
    return;
  }
  if (before->state != after.state)
    changes.push_back(change(ChangeKind::state, before, &after, now));
  if (has_certificate(*before) && has_certificate(after) && leaf_of(*before) != leaf_of(after))
    changes.push_back(change(ChangeKind::certificate, before, &after, now));
}

void replace_addresses(std::span<const AddressRecord> before, const Observation& seen,
                       ScanOutcome& out) {
  for (const auto& row : seen.addresses) {
    if (out.addresses.size() == kAddressesPerEndpoint) break;
    if (find(out.addresses, row.address)) continue;
    const AddressRecord* earlier = find(before, row.address);
    out.addresses.push_back(make_record(row, earlier, seen.finished_utc));
    note_changes(earlier, out.addresses.back(), seen.finished_utc, out.changes);
  }
  std::sort(out.addresses.begin(), out.addresses.end(),
            [](const AddressRecord& a, const AddressRecord& b) { return a.address < b.address; });
  for (const auto& record : before) {
    if (find(out.addresses, record.address)) continue;
    out.gone.push_back(record.address);
    out.changes.push_back(change(ChangeKind::disappeared, &record, nullptr, seen.finished_utc));
  }
}

void keep_addresses(std::span<const AddressRecord> before, const Observation& seen,
                    ScanOutcome& out) {
  out.addresses.assign(before.begin(), before.end());
  roll_up(out.endpoint, out.addresses);
  out.endpoint.problem = seen.resolution == ScanState::ok ? ScanState::no_address : seen.resolution;
  const std::string_view reason =
      seen.detail.empty() ? scan_state_name(out.endpoint.problem) : std::string_view(seen.detail);
  out.endpoint.detail = before.empty() ? whole_prefix(reason, kDetailBytes)
                                       : with_suffix(reason, "; the rest is as of an earlier scan");
}

// While an announced leaf is awaited that is the problem; what else is wrong stands in the detail.
void set_problem(ExpirationReport& out, ScanState state, std::string_view detail, bool awaited) {
  out.detail = detail;
  if (awaited) {
    constexpr std::string_view kAwaited = "the announced certificate is not served everywhere yet";
    out.detail = detail.empty()
                     ? std::string(kAwaited)
                     : whole_prefix(std::string(kAwaited) + "; " + out.detail, kDetailBytes);
    state = ScanState::old_certificate_served;
  }
  out.problem = problem_name(state);
}

}  // namespace

void set_dates(ExpirationReport& report, bool certificate_found, UtcTime not_after_utc,
               UtcTime renewal_due_utc, UtcTime now) {
  report.certificate_found = certificate_found;
  const bool dated = certificate_found && not_after_utc != 0;
  report.renewal_utc = dated ? not_after_utc : 0;
  report.renewal_due = dated && now >= renewal_due_utc;
  report.expired_found = dated && now >= not_after_utc;
}

UtcTime dates_hold_until(bool certificate_found, UtcTime not_after_utc, UtcTime renewal_due_utc,
                         UtcTime now) {
  UtcTime until = std::numeric_limits<UtcTime>::max();
  if (!certificate_found || not_after_utc == 0) return until;
  for (const UtcTime change : {not_after_utc, renewal_due_utc}) {
    if (change > now) until = std::min(until, change);
  }
  return until;
}

std::string_view problem_name(ScanState state) {
  return state == ScanState::ok ? "none" : scan_state_name(state);
}

void roll_up(EndpointRecord& endpoint, std::span<const AddressRecord> addresses) {
  constexpr UtcTime kNever = std::numeric_limits<UtcTime>::max();
  UtcTime not_after = kNever, due = kNever;
  bool found = false, all_trusted = true;
  const AddressRecord* worst = nullptr;
  for (const auto& record : addresses) {
    if (!worst || severity(record.state) > severity(worst->state)) worst = &record;
    if (!has_certificate(record)) continue;
    found = true;
    all_trusted = all_trusted && record.trusted;
    if (record.not_after_utc == 0) continue;
    not_after = std::min(not_after, record.not_after_utc);
    due = std::min(due, renewal_due_from(record.not_before_utc, record.not_after_utc));
  }
  endpoint.addresses = static_cast<std::uint32_t>(addresses.size());
  endpoint.certificate_found = found;
  endpoint.trusted = found && all_trusted;
  endpoint.not_after_utc = not_after == kNever ? 0 : not_after;
  endpoint.renewal_due_utc = due == kNever ? 0 : due;
  endpoint.problem = worst ? worst->state : ScanState::pending;
  endpoint.detail = worst ? detail_of(*worst, addresses) : std::string();
}

ScanOutcome apply_observation(const EndpointRecord& endpoint, std::span<const AddressRecord> before,
                              const Observation& seen) {
  ScanOutcome out;
  out.endpoint = endpoint;
  if (seen.resolution == ScanState::ok && !seen.addresses.empty()) {
    replace_addresses(before, seen, out);
    roll_up(out.endpoint, out.addresses);
  } else {
    keep_addresses(before, seen, out);
  }
  out.endpoint.last_scan_utc = seen.finished_utc;
  const bool fine = out.endpoint.problem == ScanState::ok ||
                    out.endpoint.problem == ScanState::client_certificate_required;
  constexpr std::uint16_t kMost = std::numeric_limits<std::uint16_t>::max();
  out.endpoint.failures =
      fine ? std::uint16_t{0}
           : static_cast<std::uint16_t>(endpoint.failures + (endpoint.failures < kMost ? 1 : 0));
  return out;
}

bool serves_everywhere(std::span<const AddressRecord> addresses, const Sha256& expected) {
  bool seen = false;
  for (const AddressRecord& record : addresses) {
    if (record.state == ScanState::policy) continue;
    if (leaf_of(record) != expected) return false;
    seen = true;
  }
  return seen;
}

ExpirationReport report(const std::string& domain, const WatchRecord& watch,
                        const EndpointRecord& endpoint, UtcTime now) {
  ExpirationReport out;
  out.domain = domain;
  out.last_scan_utc = endpoint.last_scan_utc;
  out.next_scan_utc = endpoint.next_scan_utc;
  if (endpoint.last_scan_utc == 0) {
    set_problem(out, ScanState::pending, {}, false);
    return out;
  }
  set_dates(out, endpoint.certificate_found, endpoint.not_after_utc, endpoint.renewal_due_utc, now);
  out.trusted = endpoint.trusted;
  out.addresses = endpoint.addresses;
  set_problem(out, endpoint.problem, endpoint.detail,
              watch.expected.has_value() && watch.expected_met_utc == 0);
  return out;
}

ExpirationReport report_address(const std::string& domain, const WatchRecord& watch,
                                const EndpointRecord& endpoint, const AddressRecord& address,
                                UtcTime now) {
  ExpirationReport out;
  out.domain = domain;
  out.addresses = 1;
  out.last_scan_utc = address.last_scan_utc;
  out.next_scan_utc = endpoint.next_scan_utc;
  set_dates(out, has_certificate(address), address.not_after_utc,
            renewal_due_from(address.not_before_utc, address.not_after_utc), now);
  out.trusted = has_certificate(address) && address.trusted;
  out.certificate_sha256 = leaf_of(address);
  // Where no certificate is shown, no old one is: that is a problem of its own.
  const bool awaited = watch.expected.has_value() && watch.expected_met_utc == 0 &&
                       has_certificate(address) && leaf_of(address) != watch.expected;
  set_problem(out, address.state, address.detail, awaited);
  return out;
}

}  // namespace certline
