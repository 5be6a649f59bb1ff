#pragma once
// Which final addresses the scanner may connect to. Every special-use range is denied by default.
// Addresses of type v4-mapped, v4-compatible, v4-translated, NAT64, 6to4 and Teredo are unwrapped
// and judged by the address inside. Sources: the IANA special-purpose registries (RFC 6890 and
// successors), plus retired and cloud ranges.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/error.hpp"
#include "protocol/ip_address.hpp"

namespace certline::scanner {

struct Network {
  IpAddress first;      // host bits zero
  int prefix_bits = 0;  // of 128; an IPv4 /8 is 104
  // "10.0.0.0/8", "::1/128", a bare address. Errors (invalid_value): not a network, or host bits
  // set.
  static Result<Network> parse(std::string_view text);
  // An IPv6 network never contains an IPv4 address: "::/0" is all of IPv6 and nothing else.
  bool contains(const IpAddress& a) const;
  std::string to_string() const;
};

// The addresses of this host's interfaces, read at most once a minute. Thread-safe.
std::vector<IpAddress> interface_addresses();

// Immutable, so thread-safe if `own_addresses` is. A network of `allow` opens the addresses it
// contains; an address that merely wraps another is also open where everything inside it is.
class AddressPolicy {
 public:
  // `own_addresses` lists this host's addresses (denied as well); asked at each check.
  AddressPolicy(std::vector<Network> allow, std::function<std::vector<IpAddress>()> own_addresses);
  static AddressPolicy allow_everything();

  // nullopt: may be connected to. Otherwise the reason, which names scanner.allow.
  std::optional<std::string> refusal(const IpAddress& address) const;

 private:
  AddressPolicy() = default;
  bool allowed(const IpAddress& address) const;
  std::optional<std::string> refusal_inside(const IpAddress& outer, const char* wrapping,
                                            const std::vector<IpAddress>& inside) const;

  std::vector<Network> allow_;
  std::function<std::vector<IpAddress>()> own_addresses_;
  bool everything_ = false;
};

}  // namespace certline::scanner
