#pragma once
// What the store keeps, as plain values. store/schema.fbs mirrors them; store/FORMAT.md fixes the
// bytes.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "inventory/scan_state.hpp"
#include "protocol/account_values.hpp"
#include "protocol/ip_address.hpp"
#include "protocol/values.hpp"

namespace certline {

using AccountId = std::uint64_t;
using EndpointId = std::uint64_t;
using Uuid = std::array<std::uint8_t, 16>;

// The account that the daemon's own certificates belong to, and whatever concerns the daemon as a
// whole. It has no key.
inline constexpr AccountId kOperatorAccount = 0;

struct AccountRecord {
  AccountId id = 0;
  std::string email;  // empty: the account of a key that registered itself or isn't confirmed
  UtcTime created_utc = 0;
  // The address that its only key was claimed for, where that waits for confirmation. `email` is
  // empty then, so that the key sees nothing but its own names.
  std::string claimed_email;
  UtcTime verified_utc = 0;         // 0: nobody has proved to own the address
  UtcTime blocked_utc = 0;          // 0: not blocked
  bool no_further_keys = false;     // keys claimed for the address are refused
  std::uint32_t names_per_key = 0;  // 0: as configured
  bool mail_off = false;            // unsubscribed
  std::optional<Digest> digest;     // absent: as configured
  UtcTime digest_utc = 0;           // the last one
  UtcTime mailed_utc = 0;           // the last mail that asked to confirm its address
};

enum class KeyState : std::uint8_t { active = 0, revoked = 1, blocked = 2 };

// Stored under the first half of the API key's SHA-256; `digest` is the whole, set by the store.
struct KeyRecord {
  AccountId account = 0;
  UtcTime created_utc = 0;
  std::uint32_t names = 0;  // watches added with this key and still there
  Sha256 digest{};
  KeyState state = KeyState::active;
  UtcTime confirmed_utc = 0;  // 0: its claim was never confirmed
  IpAddress source;           // where it was made from
  // When its client reports, for the one that falls silent. See inventory/client_silence.hpp.
  UtcTime last_seen_utc = 0;
  std::uint32_t reports = 0;  // so many periods in which it was seen
  UtcTime usual_gap_s = 0;    // between them, a running mean
  bool silence_told = false;
};

// Stored under the first half of the token's SHA-256; `digest` is the whole, set by the store.
struct TokenRecord {
  TokenPurpose purpose = TokenPurpose::confirm;
  std::string email;  // what it is about
  KeyTag key{};       // zero: none
  UtcTime created_utc = 0, expires_utc = 0;
  UtcTime used_utc = 0;  // 0: not yet
  Sha256 digest{};
};
inline constexpr UtcTime kTokenLifetime = 7 * 86'400;

// Stored under a number that only grows; never changed or removed.
struct AuditRecord {
  UtcTime at_utc = 0;
  std::string actor;  // "key TAG", "token", "uid 0", "daemon"
  IpAddress source;   // zero: none
  std::string
      action;  // "new-account", "new-key", "confirm", "revoke", "block", "refused-claim" ...
  AccountId account = 0;
  std::string subject;  // what it was done to: an address, a key's tag; printable
  std::string detail;   // why it was refused; empty where it was done
};

// One account watches one (host, port). Stored under (account, canonical domain).
struct WatchRecord {
  Uuid id{};
  EndpointId endpoint = 0;
  Sha256 added_by{};  // SHA-256 of the API key whose quota it counts against
  UtcTime created_utc = 0;
  std::optional<Sha256> expected;  // the leaf that should be served
  UtcTime expected_utc = 0;        // when it was announced
  UtcTime expected_met_utc = 0;    // when every address served it; 0: not yet
  bool expected_told = false;      // that it is not served was told
  // Of an account that is not verified, where that is asked for: until then a matching certificate
  // has to be seen. 0: it was, or need not be.
  UtcTime trial_until_utc = 0;
  bool resting = false;  // not scanned until the account is confirmed
};

// One (host, port, starttls), shared by all accounts that watch it.
struct EndpointRecord {
  EndpointId id = 0;
  std::string host;  // LDH name or address text
  std::uint16_t port = 443;
  Starttls starttls = Starttls::none;
  std::uint32_t watchers = 0;
  std::uint32_t resting = 0;  // so many of them; it is scanned for the others
  // Schedule.
  UtcTime next_scan_utc = 0;
  UtcTime last_scan_utc = 0;       // when the last scan finished; 0: never
  UtcTime scan_requested_utc = 0;  // the last `command scan`
  std::uint16_t failures = 0;      // scans in a row with a problem
  std::uint16_t expectation_step = 0;
  bool expectation_open = false;  // some watch waits for an announced leaf
  // Roll-up over the address records.
  std::uint32_t addresses = 0;
  bool certificate_found = false;
  bool trusted = false;         // there is a certificate, and every one seen is trusted
  UtcTime not_after_utc = 0;    // earliest over addresses; 0: none
  UtcTime renewal_due_utc = 0;  // earliest moment renewal is due; 0: none
  ScanState problem = ScanState::pending;
  std::string detail;
};

// Stored under (endpoint, address).
struct AddressRecord {
  IpAddress address;
  ScanState state = ScanState::pending;
  std::string detail;
  bool trusted = false;
  std::vector<Sha256> chain;  // as sent, leaf first
  UtcTime not_before_utc = 0, not_after_utc = 0;
  std::string protocol, cipher, alpn, group;
  UtcTime first_seen_utc = 0;
  UtcTime last_scan_utc = 0;
  UtcTime state_since_utc = 0;
  UtcTime last_certificate_utc = 0;  // when a certificate was last seen here
};

// One certificate, once, under its SHA-256.
struct CertificateRecord {
  std::vector<std::uint8_t> der;
  std::uint32_t references = 0;  // address records and history entries that name it
  UtcTime first_seen_utc = 0;
};

enum class ChangeKind : std::uint8_t {
  appeared = 1,     // an address joined the name
  disappeared = 2,  // an address left it
  state = 3,        // its state changed
  certificate = 4,  // its leaf changed
};

// Stored under (endpoint, address, time, sequence); the newest kHistoryPerAddress are kept.
struct HistoryRecord {
  UtcTime at_utc = 0;
  IpAddress address;
  ChangeKind kind = ChangeKind::state;
  ScanState before = ScanState::pending, after = ScanState::pending;
  std::optional<Sha256> leaf_before, leaf_after;
};
inline constexpr std::size_t kHistoryPerAddress = 32;
inline constexpr std::size_t kAddressesPerEndpoint = 16;
inline constexpr std::size_t kStoredChainCertificates = 10;

}  // namespace certline
