#pragma once
// What the store's tests share: a directory that is removed at the end, and records with every
// field filled.

#include <stdlib.h>

#include <filesystem>
#include <string>

#include "store/codec.hpp"
#include "store/lmdb/open.hpp"
#include "store/tables.hpp"

namespace certline::store::test {

class Scratch {
 public:
  Scratch() : Scratch(std::filesystem::temp_directory_path()) {}
  explicit Scratch(const std::filesystem::path& parent) {
    std::string path = (parent / "certline-XXXXXX").string();
    path_ = ::mkdtemp(path.data()) ? path : throw std::runtime_error("no temporary directory");
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline lmdb::StoreSettings settings(const std::string& path, std::uint64_t map_size = 64ull << 20) {
  lmdb::StoreSettings out;
  out.path = path;
  out.map_size = map_size;
  return out;
}

inline Sha256 hash(std::uint32_t n) {
  Sha256 out{};
  for (std::size_t i = 0; i < 4; ++i) out[i] = static_cast<std::uint8_t>(n >> (24 - 8 * i));
  out[31] = 0x5A;
  return out;
}

inline std::vector<std::uint8_t> der(std::uint32_t n, std::size_t size = 64) {
  std::vector<std::uint8_t> out(size, static_cast<std::uint8_t>(n));
  out[0] = 0x30;
  return out;
}

inline AccountRecord plain_account(AccountId id, const std::string& email, UtcTime created = 1) {
  AccountRecord r;
  r.id = id;
  r.email = email;
  r.created_utc = created;
  return r;
}

inline KeyRecord plain_key(AccountId account, std::uint32_t names = 1, UtcTime created = 1) {
  KeyRecord r;
  r.account = account;
  r.created_utc = created;
  r.names = names;
  return r;
}

inline WatchRecord sample_watch(EndpointId endpoint = 7) {
  WatchRecord r;
  r.id.fill(0x11);
  r.endpoint = endpoint;
  r.added_by = hash(3);
  r.created_utc = 1'700'000'000;
  r.expected = hash(4);
  r.expected_utc = 1'700'000'100;
  r.expected_met_utc = 1'700'000'200;
  r.expected_told = true;
  r.trial_until_utc = 1'700'086'400;
  r.resting = true;
  return r;
}

inline EndpointRecord sample_endpoint(EndpointId id = 7) {
  EndpointRecord r;
  r.id = id;
  r.host = "h" + std::to_string(id) + ".example.org";
  r.port = 5432;
  r.starttls = Starttls::postgres;
  r.watchers = 3;
  r.resting = 1;
  r.next_scan_utc = 1'700'000'300;
  r.last_scan_utc = 1'700'000'000;
  r.scan_requested_utc = 1'699'999'999;
  r.failures = 3;
  r.expectation_step = 4;
  r.expectation_open = true;
  r.addresses = 2;
  r.certificate_found = true;
  r.trusted = true;
  r.not_after_utc = 1'705'000'000;
  r.renewal_due_utc = 1'703'000'000;
  r.problem = ScanState::incomplete_chain;
  r.detail = "192.0.2.1: incomplete_chain";
  return r;
}

inline AddressRecord sample_address(std::uint32_t n = 1) {
  AddressRecord r;
  r.address = IpAddress::v4(0xC0000200u + n);
  r.state = ScanState::incomplete_chain;
  r.detail = "the server sends no intermediate";
  r.trusted = true;
  r.chain = {hash(100 + n), hash(99)};
  r.not_before_utc = 1'690'000'000;
  r.not_after_utc = 1'705'000'000;
  r.protocol = "TLSv1.3";
  r.cipher = "TLS_AES_256_GCM_SHA384";
  r.alpn = "h2";
  r.group = "x25519";
  r.first_seen_utc = 1;
  r.last_scan_utc = 2;
  r.state_since_utc = 3;
  r.last_certificate_utc = 4;
  return r;
}

inline HistoryRecord sample_history(std::uint32_t n = 1, UtcTime at = 1'700'000'000) {
  HistoryRecord r;
  r.at_utc = at;
  r.address = IpAddress::v4(0xC0000200u + n);
  r.kind = ChangeKind::certificate;
  r.before = ScanState::ok;
  r.after = ScanState::expired;
  r.leaf_before = hash(100 + n);
  r.leaf_after = hash(101 + n);
  return r;
}

inline AccountRecord sample_account(AccountId id = 5) {
  AccountRecord r = plain_account(id, "a" + std::to_string(id) + "@example.org");
  r.claimed_email = "c" + std::to_string(id % 3) + "@example.org";
  r.verified_utc = 2;
  r.blocked_utc = 3;
  r.no_further_keys = true;
  r.names_per_key = 1000;
  r.mail_off = true;
  r.digest = Digest::weekly;
  r.digest_utc = 4;
  r.mailed_utc = 5;
  r.mailed_utc = 5;
  return r;
}

inline KeyRecord sample_key(AccountId account = 5) {
  KeyRecord r = plain_key(account, 1000, 9);
  r.digest = hash(7);
  r.state = KeyState::blocked;
  r.confirmed_utc = 2;
  r.source = IpAddress::v4(0xC0000207);
  r.last_seen_utc = 3;
  r.reports = 4;
  r.usual_gap_s = 86'400;
  r.silence_told = true;
  return r;
}

inline TokenRecord sample_token() {
  TokenRecord r;
  r.purpose = TokenPurpose::block_keys;
  r.email = "a@example.org";
  r.key.fill(0x22);
  r.created_utc = 1;
  r.expires_utc = 1 + kTokenLifetime;
  r.used_utc = 2;
  r.digest = hash(8);
  return r;
}

inline AuditRecord sample_audit(UtcTime at = 1) {
  AuditRecord r;
  r.at_utc = at;
  r.actor = "uid 0";
  r.source = IpAddress::v4(0xC0000201);
  r.action = "refused-claim";
  r.account = 5;
  r.subject = "a@example.org";
  r.detail = "100 keys wait for confirmation";
  return r;
}

inline AlertState sample_alert_state() {
  AlertState r;
  r.leaf = hash(4);
  r.not_before_utc = 1'690'000'000;
  r.not_after_utc = 1'705'000'000;
  r.renewal_stage = 2;
  r.expired_stage = 3;
  r.earlier = hash(3);
  r.reverts = 1;
  r.verdict = ScanState::wrong_host;
  r.verdict_leaf = hash(4);
  r.disagreement_told = true;
  r.disagreements = 4;
  r.network_told = EventKind::could_not_check;
  r.network_state = ScanState::dns_error;
  r.network_failures = 5;
  return r;
}

inline IncidentKey sample_incident_key(AccountId account = 5, std::uint8_t stage = 2) {
  return {account, EventKind::verdict, hash(4), stage};
}

inline IncidentRecord sample_incident() {
  IncidentRecord r;
  r.begun_utc = 1;
  r.told_utc = 2;
  r.hosts = {{7, "a.example", false}, {8, "b.example:8443", true}};
  r.more_hosts = 3;
  return r;
}

inline DeliveryRecord sample_delivery(std::uint64_t id = 9) {
  DeliveryRecord r;
  r.id = id;
  r.channel = "mail";
  r.to = "a@example.org";
  r.account = 5;
  r.message = R"({"event":"renewal_overdue"})";
  r.created_utc = 1;
  r.attempts = 2;
  r.next_utc = 3;
  r.dead = true;
  r.last_error = "421 try again later";
  return r;
}

// Two records are the same when their bytes are.
template <class Record>
bool same(const Record& a, const Record& b) {
  return encode(a) == encode(b);
}

}  // namespace certline::store::test
