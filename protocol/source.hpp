#pragma once
// Which addresses count as one source of requests.

#include "protocol/ip_address.hpp"
#include "protocol/limits.hpp"

namespace certline {

// The part of an address that counts as one source: IPv4 whole, IPv6 its /64.
IpAddress source_prefix(const IpAddress& address);
bool is_loopback(const IpAddress& address);
bool is_exempt(const IpAddress& source, const RateLimits& limits);  // from counting requests

}  // namespace certline
