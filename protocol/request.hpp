#pragma once
// What may be asked and what may be answered, the same for every wire. A wire parses into a Request
// and renders a Reply; the service in between knows neither lines nor HTTP.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/account_values.hpp"
#include "protocol/domain.hpp"
#include "protocol/error.hpp"
#include "protocol/ip_address.hpp"
#include "protocol/values.hpp"

namespace certline {

struct NewKey {};
struct ClaimKey {
  Email email;
  std::optional<ApiKey> key;  // absent: one is made
};
struct AddDomain {
  Domain domain;
  ApiKey key;
  std::optional<Starttls> starttls;  // absent: by the port
  std::optional<Sha256> expected;    // the leaf that should be served
};
struct GetExpiration {
  Domain domain;
  ApiKey key;
  std::optional<IpAddress> ip;
  std::uint32_t wait_s = 0;   // at most kWaitMaxSeconds
  bool each_address = false;  // the report lists the addresses, all or the one asked for
};
struct ListDomains {
  ApiKey key;
  std::optional<Domain> after;
};
struct RemoveDomain {
  Domain domain;
  ApiKey key;
};
struct ScanDomain {
  Domain domain;
  ApiKey key;
};
struct ListAddresses {
  Domain domain;
  ApiKey key;
  std::optional<IpAddress> after;
};
struct CheckDomain {
  Domain domain;
  ApiKey key;
};
struct Ping {};
struct Help {
  std::optional<std::string> on;  // a command name of the table, lower case
};
struct GetStatus {};
struct GetUser {
  ApiKey key;
};
struct AddCertificate {
  std::vector<std::uint8_t> der;
  ApiKey key;
};
struct ConfirmToken {
  Token token;
  std::optional<TokenPurpose> purpose;  // absent: whatever the token is for
};
struct SetNotify {  // and tells: without settings it changes nothing
  ApiKey key;
  std::optional<bool> mail;
  std::optional<Digest> digest;
};

// What follows is for administrators: callers on the Unix socket who are root or the daemon's user.
struct ListAccounts {
  std::uint64_t after = 0;
};
struct ListKeys {
  AccountName account;
  std::optional<KeyTag> after;
};
struct RevokeKey {
  KeyTag key;
};
struct VerifyAccount {
  AccountName account;
};
struct BlockAccount {
  AccountName account;
};
struct UnblockAccount {
  AccountName account;
};
struct SetQuota {
  AccountName account;
  std::uint32_t names = 0;  // of each of its keys; 0: what limits.names_per_key says
};
struct DeleteAccount {
  AccountName account;
};
struct ListDeadLetters {
  std::uint64_t after = 0;
};

using Request =
    std::variant<NewKey, ClaimKey, AddDomain, GetExpiration, ListDomains, RemoveDomain, ScanDomain,
                 ListAddresses, CheckDomain, Ping, Help, GetStatus, GetUser, AddCertificate,
                 ConfirmToken, SetNotify, ListAccounts, ListKeys, RevokeKey, VerifyAccount,
                 BlockAccount, UnblockAccount, SetQuota, DeleteAccount, ListDeadLetters>;

struct KeyCreated {
  std::string key;  // 32 hex digits
};
struct Claimed {
  bool created = false;              // false: already yours
  bool mailed = false;               // a confirmation is on its way
  std::string email = {}, key = {};  // as claimed; key empty where the client brought its own
};
struct Added {
  std::string id;      // UUID text
  std::string key;     // hex MD5 of "DOMAIN:" + lower-cased input
  std::string domain;  // lower-cased input
};
struct AddressReport {
  IpAddress ip;
  bool certificate_found = false;
  std::optional<Sha256> certificate_sha256;  // this and the next three: where one was found
  bool renewal_due = false, expired = false;
  UtcTime renewal_utc = 0;
  UtcTime last_scan_utc = 0;
};
struct ExpirationReport {
  std::string domain;  // lower-cased input
  bool certificate_found = false;
  bool renewal_due = false;
  bool expired_found = false;
  bool trusted = false;
  UtcTime renewal_utc = 0;  // the earliest notAfter; 0 without certificate
  UtcTime last_scan_utc = 0;
  UtcTime next_scan_utc = 0;
  std::uint32_t addresses = 0;
  std::string_view problem;  // "none", "pending" before the first scan, or a scan state's name
  std::optional<Sha256> certificate_sha256;  // only where one address was asked for and has one
  bool one_address = false;                  // asked with `ip`
  std::string detail;                        // one line for people, may be empty
  std::vector<AddressReport> results;        // where each_address was asked for
};
struct DomainPage {
  std::vector<std::string> names;  // canonical, ascending
  bool more = false;
};
struct Removed {};
struct ScanStarted {};
struct AddressRow {
  IpAddress ip;
  std::string_view problem;  // as `expiration … ip` says it
};
struct AddressPage {
  std::vector<AddressRow> rows;  // ascending
  bool more = false;
};
// What a monitoring system wants to hear; the numbers are its plugins' exit statuses.
enum class CheckState : std::uint8_t { ok = 0, warning = 1, critical = 2, unknown = 3 };
std::string_view check_state_name(CheckState state);  // "OK"
struct CheckResult {
  std::string domain;  // lower-cased input
  CheckState state = CheckState::unknown;
  std::optional<std::int64_t> days_left;  // to the earliest end, whole days, below 0 when past it
  std::int64_t due_days = 28;             // with so many left renewal is due
  std::string_view problem;
  std::string text;  // what is the matter, for people: "renewal is due, 5 days left"
};
// As the plugins of monitoring systems say it: state, text, figures behind a bar.
std::string check_line(const CheckResult& result);
struct Pong {};
struct HelpText {
  std::optional<std::string> on;
};
struct StatusReport {
  std::string version;
  std::int64_t uptime_s = 0;
  std::uint64_t accounts = 0, names = 0, endpoints = 0, certificates = 0;
  std::uint64_t connections = 0, scans_in_flight = 0;
};

struct UserName {
  std::string email;  // as claimed; empty: the key was never claimed
};
struct CertificateAdded {
  std::string id;   // UUID text, the same for the same certificate
  std::string key;  // hex MD5 of "CERT:" + its base64
  std::uint32_t names = 0;
  std::uint32_t refused = 0;  // of its names: the rules of this server forbid them
};
struct Confirmed {
  TokenPurpose purpose = TokenPurpose::confirm;
};
struct NotifyState {
  std::string address;  // empty: none is known
  bool mail = true;
  Digest digest = Digest::off;
};
struct AccountRow {
  std::uint64_t id = 0;
  std::string email;       // empty: none, or not confirmed
  std::string_view state;  // "verified", "unverified", "blocked"
  std::uint64_t names = 0, keys = 0;
  std::uint32_t quota = 0;
  UtcTime created_utc = 0;
};
struct AccountPage {
  std::vector<AccountRow> rows;  // ascending
  bool more = false;
};
struct KeyRow {
  KeyTag key{};
  std::string_view state;  // "confirmed", "unconfirmed", "revoked", "blocked"
  std::uint32_t names = 0;
  UtcTime created_utc = 0, last_seen_utc = 0;
};
struct KeyPage {
  std::vector<KeyRow> rows;  // ascending
  bool more = false;
};
struct Changed {
  std::string text;  // what was done, for people
};
struct DeadLetterRow {
  std::uint64_t id = 0;
  std::string channel, event, reason;
  UtcTime created_utc = 0;
};
struct DeadLetterPage {
  std::vector<DeadLetterRow> rows;  // ascending
  bool more = false;
};

using ReplyBody =
    std::variant<KeyCreated, Claimed, Added, ExpirationReport, DomainPage, Removed, ScanStarted,
                 AddressPage, CheckResult, Pong, HelpText, StatusReport, UserName, CertificateAdded,
                 Confirmed, NotifyState, AccountPage, KeyPage, Changed, DeadLetterPage>;
using Reply = Result<ReplyBody>;

// True for requests that change the store: they are acknowledged after a commit, and a connection
// may have several of them under way. Everything else waits for those to be answered first.
bool is_write(const Request& request);

// True for requests that only administrators may make.
bool needs_administrator(const Request& request);

// The key a request carries, for per-key limits; nullptr where it has none.
const ApiKey* key_of(const Request& request);

}  // namespace certline
