#pragma once
// What to tell people, and when: rules that turn records into events. Pure. The state that a rule
// needs is stored with the endpoint, in the same write as the scan that changed it. So an event is
// told once, whatever happens in between.

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "inventory/records.hpp"

namespace certline {

// The numbers are stored: never reuse one.
enum class EventKind : std::uint8_t {
  renewal_overdue = 1,     // of a certificate; stage: how late, see renewal_stage()
  expired = 2,             // of a certificate; stage: days since, then weeks: it keeps reporting
  renewed = 3,             // of the new certificate; good news
  old_certificate = 4,     // of an announced certificate: it isn't served, stage 0
  verdict = 5,             // of a certificate; stage: the ScanState that browsers would object to
  addresses_disagree = 6,  // of an endpoint: its addresses serve different certificates
  address_down = 7,        // of an endpoint: a minority of its addresses, which the facts name
  unreachable = 8,         // of an endpoint: more than half of them
  could_not_check = 9,     // of an endpoint: no look was possible (DNS, policy)
  recovered = 10,          // stage: the EventKind that is over
  client_silent = 11,      // of a key
  scanner_stalled = 12,    // of the daemon
  mass_outage = 13,        // of the daemon: so much is unreachable that it is rather its own net
  digest = 14,             // of an account
  test = 15,
  mail_confirmation = 16,  // a mail with tokens, to an address
};
inline constexpr std::size_t kEventKindCount = 16;
std::string_view event_name(EventKind kind);  // "renewal_overdue"
std::optional<EventKind> event_by_number(std::uint8_t n);
bool is_network_shaped(EventKind kind);  // address_down, unreachable, could_not_check

// What an event is about: a certificate's SHA-256, or a number padded with zeros.
using Subject = Sha256;
Subject subject_of(std::uint64_t number);
Subject subject_of(const KeyTag& tag);

struct AlertEvent {
  EventKind kind = EventKind::test;
  Subject subject{};
  std::uint8_t stage = 0;
  bool over = false;   // the trouble has passed, whatever its stage
  bool quiet = false;  // with over: something else that is told says so
  bool operator==(const AlertEvent&) const = default;
};

// What was told of an endpoint. Stored under the endpoint's number.
struct AlertState {
  // The certificate that ends first of those served when one was last seen. What no scan sees any
  // more is still judged by its dates.
  std::optional<Sha256> leaf;
  UtcTime not_before_utc = 0, not_after_utc = 0;  // of `leaf`; 0: unreadable
  std::uint8_t renewal_stage = 0;                 // the last one told; 0: none
  std::uint8_t expired_stage = 0;                 // likewise, counted from 1
  std::optional<Sha256> earlier;                  // the one before `leaf`
  std::uint8_t reverts = 0;                       // scans in a row that saw `earlier` once more
  ScanState verdict = ScanState::ok;              // the one told; ok: none
  Sha256 verdict_leaf{};                          // the certificate it was told of
  bool disagreement_told = false;
  std::uint8_t disagreements = 0;            // scans in a row that saw it
  EventKind network_told = EventKind::test;  // which of the network-shaped; test: none
  ScanState network_state = ScanState::ok;   // with could_not_check: why, as told
  std::uint8_t network_failures = 0;  // scans in a row that saw another such trouble than told
  bool operator==(const AlertState&) const = default;
};
inline constexpr std::uint8_t kFailuresBeforeAlert = 3;

// Which stage of being overdue has begun: 0 none, then 1 at the moment renewal is due
// (renewal_due_from()), and one more at a sixth and a twelfth of the lifetime left and at 7, 3 and
// 1 days left, each where it is later than the one before.
std::uint8_t renewal_stage(UtcTime not_before, UtcTime not_after, UtcTime now);
// 0 before the end; then 1 at once, one more each day for a week, then each week.
std::uint8_t expired_stage(UtcTime not_after, UtcTime now);

// What is wrong with a way to an endpoint, by quorum over its addresses; those that policy forbids
// don't count while there are others. test: nothing.
struct NetworkTrouble {
  EventKind kind = EventKind::test;
  std::size_t down = 0, of = 0;     // addresses
  ScanState state = ScanState::ok;  // with could_not_check: why
};
NetworkTrouble network_trouble(const EndpointRecord& endpoint,
                               std::span<const AddressRecord> addresses);

// One scan's events, in the order told; `state` is what is to be stored. Facts read from a
// certificate count at once, by the worst address; a network-shaped trouble after
// kFailuresBeforeAlert scans in a row, by quorum over the addresses. While `outage` holds (the
// daemon's own network is in doubt) no network-shaped trouble begins.
std::vector<AlertEvent> judge(AlertState& state, const EndpointRecord& endpoint,
                              std::span<const AddressRecord> addresses, UtcTime now, bool outage);

// What holds now, for who begins to watch an endpoint that is known already, or ceases to.
std::vector<AlertEvent> standing(const AlertState& state, EndpointId endpoint);

}  // namespace certline
