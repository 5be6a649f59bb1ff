#pragma once
// What may be asked and what may be answered, the same for every wire. A wire parses into a Request
// and renders a Reply; the service in between knows neither lines nor HTTP.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/domain.hpp"
#include "protocol/error.hpp"
#include "protocol/ip_address.hpp"
#include "protocol/values.hpp"

namespace certline {

struct NewKey {};
struct ClaimKey {
  Email email;
  ApiKey key;
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
  std::uint32_t wait_s = 0;  // at most kWaitMaxSeconds
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
struct Ping {};
struct Help {
  std::optional<std::string> on;  // a command name of the table, lower case
};
struct GetStatus {};

using Request = std::variant<NewKey, ClaimKey, AddDomain, GetExpiration, ListDomains, RemoveDomain,
                             ScanDomain, Ping, Help, GetStatus>;

struct KeyCreated {
  std::string key;  // 32 hex digits
};
struct Claimed {
  bool created = false;  // false: already yours
};
struct Added {
  std::string id;      // UUID text
  std::string key;     // hex MD5 of "DOMAIN:" + lower-cased input
  std::string domain;  // lower-cased input
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
};
struct DomainPage {
  std::vector<std::string> names;  // canonical, ascending
  bool more = false;
};
struct Removed {};
struct ScanStarted {};
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

using ReplyBody = std::variant<KeyCreated, Claimed, Added, ExpirationReport, DomainPage, Removed,
                               ScanStarted, Pong, HelpText, StatusReport>;
using Reply = Result<ReplyBody>;

// True for requests that change the store: they are acknowledged after a commit, and a connection
// may have several of them under way. Everything else waits for those to be answered first.
bool is_write(const Request& request);

// The key a request carries, for per-key limits; nullptr where it has none.
const ApiKey* key_of(const Request& request);

}  // namespace certline
