#pragma once
// What an OCSP response from the handshake says about a leaf (RFC 6960). Everything in it is
// checked. One failed check makes the response invalid; then it says nothing about the certificate.

#include <limits>
#include <span>
#include <string>

#include "pki/certificate.hpp"

namespace certline::pki {

enum class StapleStatus { invalid, good, unknown, revoked };

struct Staple {
  StapleStatus status = StapleStatus::invalid;
  std::string reason;  // why it is invalid
  // Until when the same bytes give the same result, Unix seconds.
  UtcTime same_until = std::numeric_limits<UtcTime>::max();
};

inline constexpr std::size_t kStapleBytes = 64 * 1024;
inline constexpr UtcTime kStapleSkewSeconds = 300;
// Without nextUpdate a response is believed for this long.
inline constexpr UtcTime kStapleAgeSeconds = 7 * 86'400;

Staple read_staple(std::span<const std::uint8_t> der, const Certificate& leaf,
                   const Certificate& issuer, UtcTime now);

}  // namespace certline::pki
