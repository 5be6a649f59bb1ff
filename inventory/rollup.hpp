#pragma once
// Sums up many addresses as one answer, and turns one observation into new records. Pure.

#include <span>
#include <vector>

#include "inventory/observation.hpp"
#include "inventory/records.hpp"
#include "protocol/request.hpp"

namespace certline {

// Sets the roll-up fields of `endpoint` from its addresses: found = any, trusted = at least one
// certificate and all of them trusted, dates = earliest, problem = the most severe state.
void roll_up(EndpointRecord& endpoint, std::span<const AddressRecord> addresses);

struct ScanOutcome {
  EndpointRecord endpoint;               // roll-up, last_scan, failures set; next_scan is not
  std::vector<AddressRecord> addresses;  // all that remain, ascending
  std::vector<IpAddress> gone;           // records to delete
  std::vector<HistoryRecord> changes;
};

// A resolution that failed (dns_error, no_address) keeps the address records as they were: the last
// good state stays, the problem says that it is stale. Otherwise the observation's addresses
// replace them.
ScanOutcome apply_observation(const EndpointRecord& endpoint, std::span<const AddressRecord> before,
                              const Observation& seen);

// True when every address shows a certificate and each leaf is `expected`. Addresses that policy
// forbids don't count: nobody here can ever see what they serve.
bool serves_everywhere(std::span<const AddressRecord> addresses, const Sha256& expected);

// Sets what of a report depends on the time of day, and the date it comes from.
void set_dates(ExpirationReport& report, bool certificate_found, UtcTime not_after_utc,
               UtcTime renewal_due_utc, UtcTime now);
// When set_dates() with the same dates would set something else; the largest time for never.
UtcTime dates_hold_until(bool certificate_found, UtcTime not_after_utc, UtcTime renewal_due_utc,
                         UtcTime now);
// "none" for ok, else the state's name.
std::string_view problem_name(ScanState state);

// What the client is told. `domain` is its lower-cased input.
ExpirationReport report(const std::string& domain, const WatchRecord& watch,
                        const EndpointRecord& endpoint, UtcTime now);
ExpirationReport report_address(const std::string& domain, const WatchRecord& watch,
                                const EndpointRecord& endpoint, const AddressRecord& address,
                                UtcTime now);

}  // namespace certline
