// Counts a customer's network as one source. An IPv6 customer gets a /64 at least and has its
// addresses for free, so the /64 counts. The daemon's source limits use it.
#include "protocol/source.hpp"

#include <algorithm>

namespace certline {

IpAddress source_prefix(const IpAddress& address) {
  if (address.is_v4()) return address;
  IpAddress prefix = address;
  std::fill(prefix.bytes.begin() + 8, prefix.bytes.end(), std::uint8_t{0});
  return prefix;
}

bool is_loopback(const IpAddress& address) {
  static const IpAddress kV6 = *IpAddress::parse("::1");
  return address.is_v4() ? address.bytes[12] == 127 : address == kV6;
}

bool is_exempt(const IpAddress& source, const RateLimits& limits) {
  return limits.exempt_loopback && is_loopback(source);
}

}  // namespace certline
