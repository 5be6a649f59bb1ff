// One table holds all facts about a scan state: its name on the wire, whether it judges a
// certificate, and how bad it is. Worst are the states that browsers warn about. Then comes a
// certificate that was announced but is not served, then network trouble, which mostly passes.
#include "inventory/scan_state.hpp"

#include <algorithm>
#include <array>

namespace certline {
namespace {

struct StateRow {
  ScanState state;
  std::string_view name;
  bool verdict;
  int severity;
};

constexpr int kUnknownSeverity = 100;  // a number outside the table is never taken for harmless

constexpr std::array kStates = {
    StateRow{ScanState::revoked, "revoked", true, 99},
    StateRow{ScanState::bad_certificate, "bad_certificate", true, 95},
    StateRow{ScanState::self_signed, "self_signed", true, 92},
    StateRow{ScanState::untrusted_root, "untrusted_root", true, 91},
    StateRow{ScanState::incomplete_chain, "incomplete_chain", true, 90},
    StateRow{ScanState::wrong_host, "wrong_host", true, 80},
    StateRow{ScanState::weak_key, "weak_key", true, 71},
    StateRow{ScanState::weak_signature, "weak_signature", true, 70},
    StateRow{ScanState::expired, "expired", true, 61},
    StateRow{ScanState::not_yet_valid, "not_yet_valid", true, 60},
    StateRow{ScanState::injection_suspected, "injection_suspected", false, 55},
    StateRow{ScanState::old_certificate_served, "old_certificate_served", true, 50},
    StateRow{ScanState::tls_error, "tls_error", false, 45},
    StateRow{ScanState::not_tls, "not_tls", false, 44},
    StateRow{ScanState::starttls_protocol_error, "starttls_protocol_error", false, 43},
    StateRow{ScanState::starttls_refused, "starttls_refused", false, 42},
    StateRow{ScanState::starttls_not_offered, "starttls_not_offered", false, 41},
    StateRow{ScanState::timeout, "timeout", false, 33},
    StateRow{ScanState::refused, "refused", false, 32},
    StateRow{ScanState::unreachable, "unreachable", false, 31},
    StateRow{ScanState::dns_error, "dns_error", false, 26},
    StateRow{ScanState::no_address, "no_address", false, 25},
    StateRow{ScanState::policy, "policy", false, 20},
    StateRow{ScanState::client_certificate_required, "client_certificate_required", false, 10},
    StateRow{ScanState::pending, "pending", false, 5},
    StateRow{ScanState::ok, "ok", true, 0},
};

const StateRow* row_of(ScanState s) {
  const auto* row = std::find_if(kStates.begin(), kStates.end(),
                                 [s](const StateRow& candidate) { return candidate.state == s; });
  return row == kStates.end() ? nullptr : row;
}

}  // namespace

std::string_view scan_state_name(ScanState s) {
  const StateRow* row = row_of(s);
  return row ? row->name : "unknown";
}

std::optional<ScanState> scan_state_by_number(std::uint8_t n) {
  const StateRow* row = row_of(static_cast<ScanState>(n));
  if (!row) return std::nullopt;
  return row->state;
}

bool is_verdict(ScanState s) {
  const StateRow* row = row_of(s);
  return row && row->verdict;
}

int severity(ScanState s) {
  const StateRow* row = row_of(s);
  return row ? row->severity : kUnknownSeverity;
}

}  // namespace certline
