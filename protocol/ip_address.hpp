#pragma once
// An IPv4 or IPv6 address as 16 bytes (IPv4 as ::ffff:a.b.c.d, RFC 4291 2.5.5.2). No scope ids.

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace certline {

struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};

  // Strict: dotted quad of four decimal numbers without leading zeros, or RFC 4291 text; no
  // brackets. An IPv6 text that is a v4-mapped address gives the IPv4 address.
  static std::optional<IpAddress> parse(std::string_view text);
  static IpAddress v4(std::uint32_t host_order);
  bool is_v4() const;
  std::string to_string() const;  // canonical (RFC 5952)
  auto operator<=>(const IpAddress&) const = default;
};

}  // namespace certline
