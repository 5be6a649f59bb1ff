#pragma once
// Digests and constant-time comparison, so that no other room needs OpenSSL for them.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "protocol/values.hpp"

namespace certline::pki {

Sha256 sha256(std::span<const std::uint8_t> bytes);
Sha256 sha256(std::string_view text);
std::array<std::uint8_t, 16> md5(std::string_view text);          // an identifier, not a protection
Sha256 hmac_sha256(std::string_view key, std::string_view text);  // RFC 2104
bool equal_constant_time(const Sha256& a, const Sha256& b);

}  // namespace certline::pki
