#pragma once
// Which final addresses may be connected to. Denied by default: every special-use range, with
// v4-mapped, v4-compatible, NAT64, 6to4 and Teredo addresses unwrapped and judged by what is inside.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "protocol/error.hpp"
#include "protocol/ip_address.hpp"

namespace certline::scanner {

struct Network {
  IpAddress first;     // host bits zero
  int prefix_bits = 0;  // of 128; an IPv4 /8 is 104
  static Result<Network> parse(std::string_view text);  // "10.0.0.0/8", "::1/128", a bare address
  bool contains(const IpAddress& a) const;
};

class AddressPolicy {
 public:
  // `own_addresses` lists this host's addresses (denied as well); asked at each check.
  AddressPolicy(std::vector<Network> allow, std::function<std::vector<IpAddress>()> own_addresses);
  static AddressPolicy allow_everything();

  // nullopt: may be connected to. Otherwise the reason, which names scanner.allow.
  std::optional<std::string> refusal(const IpAddress& address) const;

 private:
  std::vector<Network> allow_;
  std::function<std::vector<IpAddress>()> own_addresses_;
  bool everything_ = false;
};

}  // namespace certline::scanner
