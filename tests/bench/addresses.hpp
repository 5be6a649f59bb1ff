#pragma once
// The addresses of the scan benches: each target has its own, from 127.1.0.0 upwards.

#include <cstdint>

#include "protocol/ip_address.hpp"

namespace certline::bench {

inline constexpr std::uint32_t kFirstAddress = 0x7f010000;
inline constexpr int kPorts = 100;  // in a row, where the targets are spread over ports

inline IpAddress target_address(int i) {
  return IpAddress::v4(kFirstAddress + static_cast<std::uint32_t>(i));
}

inline std::uint32_t port_offset(std::uint32_t v4) {
  return (v4 - kFirstAddress) % kPorts;
}

// Where a tenth is silent, it is these: spread evenly, as in a list of names.
inline bool is_silent(std::uint32_t v4) {
  return (v4 - kFirstAddress) % 10 == 9;
}

}  // namespace certline::bench
