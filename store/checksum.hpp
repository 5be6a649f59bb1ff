#pragma once
// CRC-32C (Castagnoli, RFC 3720 appendix B.4): it tells a damaged value from a sound one.

#include <cstdint>
#include <span>

namespace certline::store {

std::uint32_t crc32c(std::span<const std::uint8_t> bytes);

}  // namespace certline::store
