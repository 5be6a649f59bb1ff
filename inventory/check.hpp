#pragma once
// One answer for monitoring systems, made from what is known of a name. Pure.

#include "protocol/request.hpp"

namespace certline {

// ok: browsers would accept what is served, and renewal isn't due. warning: renewal is due, or
// another trouble that browsers don't mind (an address is silent, the old certificate is served).
// critical: a certificate is expired or not trusted. unknown: no certificate was seen.
// `renewal_due_utc` is the moment from which renewal is due; 0 for none.
CheckResult check(const ExpirationReport& report, UtcTime renewal_due_utc, UtcTime now);

}  // namespace certline
