// A customer's network is one source: IPv6 hands out a /64 at the least, so its addresses are free.
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
