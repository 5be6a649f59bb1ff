#pragma once
// The addresses in one DNS message (RFC 1035 4.1). It starts at the name in the question and
// follows the aliases. Records about other names do not count, wherever they are.

#include <cstdint>
#include <span>
#include <vector>

#include "protocol/ip_address.hpp"

namespace certline::scanner {

enum class DnsType : std::uint16_t { a = 1, cname = 5, aaaa = 28 };

struct DnsAddresses {
  std::vector<IpAddress> addresses;  // in the message's order, possibly doubled
  const char* problem = nullptr;     // what is wrong with the message; null: nothing
};

// No address and no problem: the name has none of that type (`a` or `aaaa`).
DnsAddresses read_dns_answer(std::span<const std::uint8_t> message, DnsType type);

}  // namespace certline::scanner
