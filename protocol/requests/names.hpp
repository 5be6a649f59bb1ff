#pragma once
// The names that a key watches: what is watched, and what was seen of it.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/domain.hpp"
#include "protocol/ip_address.hpp"
#include "protocol/requests/type_list.hpp"
#include "protocol/values.hpp"

namespace certline {

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

using NameRequests = TypeList<AddDomain, GetExpiration, ListDomains, RemoveDomain, ScanDomain,
                              ListAddresses, CheckDomain>;
using NameReplies =
    TypeList<Added, ExpirationReport, DomainPage, Removed, ScanStarted, AddressPage, CheckResult>;

}  // namespace certline
