// The deny table, and the unwrapping of addresses that carry another address. The check looks at
// the final address that a socket will connect to, never at text. So neither a spelling nor a
// second lookup gets around it. Next: address_slots.cpp, then probe.cpp.

#include "scanner/address_policy.hpp"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstring>
#include <mutex>

namespace certline::scanner {

namespace {

constexpr int kV4Shift = 96;  // IPv4 lives in ::ffff:0:0/96

struct Range4 {
  std::uint32_t first;
  int bits;  // of 32
  const char* name;
};

struct Range6 {
  std::uint64_t first_high, first_low;
  int bits;  // of 128
  const char* name;
};

constexpr std::array kDenied4{
    Range4{0x00000000, 8, "\"this network\""},
    Range4{0x0A000000, 8, "private"},
    Range4{0x64400000, 10, "shared by carriers (CGNAT)"},
    Range4{0x7F000000, 8, "loopback"},
    Range4{0xA83F8110, 32, "a cloud platform's own"},
    Range4{0xA9FE0000, 16, "link-local"},
    Range4{0xAC100000, 12, "private"},
    Range4{0xC0000000, 24, "reserved for protocols"},
    Range4{0xC0000200, 24, "for documentation"},
    Range4{0xC01FC400, 24, "for AS112"},
    Range4{0xC034C100, 24, "for AMT"},
    Range4{0xC0586300, 24, "a retired 6to4 relay"},
    Range4{0xC0A80000, 16, "private"},
    Range4{0xC0AF3000, 24, "for AS112"},
    Range4{0xC6120000, 15, "for benchmarks"},
    Range4{0xC6336400, 24, "for documentation"},
    Range4{0xCB007100, 24, "for documentation"},
    Range4{0xE0000000, 4, "multicast"},
    Range4{0xF0000000, 4, "reserved"},
};

constexpr std::array kDenied6{
    Range6{0, 0, 128, "unspecified"},
    Range6{0, 1, 128, "loopback"},
    Range6{0x0064FF9B00010000, 0, 48, "local NAT64"},
    Range6{0x0100000000000000, 0, 64, "discard-only"},
    Range6{0x0100000000000001, 0, 64, "a dummy prefix"},
    Range6{0x2001000000000000, 0, 23, "reserved for protocols"},
    Range6{0x20010DB800000000, 0, 32, "for documentation"},
    Range6{0x2620004F80000000, 0, 48, "for AS112"},
    Range6{0x3FFF000000000000, 0, 20, "for documentation"},
    Range6{0x5F00000000000000, 0, 16, "for segment routing"},
    Range6{0xFC00000000000000, 0, 7, "private (unique local)"},
    Range6{0xFE80000000000000, 0, 10, "link-local"},
    Range6{0xFEC0000000000000, 0, 10, "site-local"},
    Range6{0xFF00000000000000, 0, 8, "multicast"},
};

std::uint32_t word_at(const IpAddress& a, std::size_t offset) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | a.bytes[offset + i];
  return value;
}

std::vector<IpAddress> last_word(const IpAddress& a) {
  return {IpAddress::v4(word_at(a, 12))};
}

std::vector<IpAddress> six_to_four(const IpAddress& a) {
  return {IpAddress::v4(word_at(a, 2))};
}

// RFC 4380 4: the server's address in clear, the client's with every bit flipped.
std::vector<IpAddress> teredo(const IpAddress& a) {
  return {IpAddress::v4(word_at(a, 4)), IpAddress::v4(~word_at(a, 12))};
}

struct Wrapper {
  Range6 range;
  std::vector<IpAddress> (*inside)(const IpAddress&);
};

constexpr std::array kWrappers{
    Wrapper{{0, 0, 96, "v4-compatible"}, last_word},
    Wrapper{{0, 0xFFFF000000000000, 96, "IPv4-translated"}, last_word},  // RFC 2765, SIIT
    Wrapper{{0x0064FF9B00000000, 0, 96, "NAT64"}, last_word},
    Wrapper{{0x2002000000000000, 0, 16, "6to4"}, six_to_four},
    Wrapper{{0x2001000000000000, 0, 32, "Teredo"}, teredo},
};

IpAddress address_of(std::uint64_t high, std::uint64_t low) {
  IpAddress a;
  for (std::size_t i = 0; i < 8; ++i) {
    a.bytes[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
    a.bytes[8 + i] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
  }
  return a;
}

struct Match {
  Network network;
  const char* name = nullptr;
};

Network network_of(const Range6& r) {
  return {address_of(r.first_high, r.first_low), r.bits};
}

std::optional<Match> denied_range(const IpAddress& a) {
  if (a.is_v4()) {
    for (const Range4& r : kDenied4) {
      const Network network{IpAddress::v4(r.first), kV4Shift + r.bits};
      if (network.contains(a)) return Match{network, r.name};
    }
    return std::nullopt;
  }
  for (const Range6& r : kDenied6) {
    if (network_of(r).contains(a)) return Match{network_of(r), r.name};
  }
  return std::nullopt;
}

std::string how_to_permit(const Network& network) {
  return fmt::format("scanner.allow = [\"{}\"] in the configuration permits it",
                     network.to_string());
}

bool bits_after_are_zero(const IpAddress& a, int bits) {
  for (int i = bits; i < 128; ++i) {
    if (a.bytes[static_cast<std::size_t>(i / 8)] >> (7 - i % 8) & 1) return false;
  }
  return true;
}

std::optional<std::vector<IpAddress>> read_interface_addresses() {
  std::vector<IpAddress> found;
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) return std::nullopt;
  for (const ifaddrs* i = first; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr) continue;
    if (i->ifa_addr->sa_family == AF_INET) {
      sockaddr_in v4{};
      std::memcpy(&v4, i->ifa_addr, sizeof v4);
      found.push_back(IpAddress::v4(ntohl(v4.sin_addr.s_addr)));
    } else if (i->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 v6{};
      std::memcpy(&v6, i->ifa_addr, sizeof v6);
      IpAddress address;
      std::memcpy(address.bytes.data(), &v6.sin6_addr, address.bytes.size());
      found.push_back(address);
    }
  }
  freeifaddrs(first);
  return found;
}

}  // namespace

std::vector<IpAddress> interface_addresses() {
  using SteadyClock = std::chrono::steady_clock;
  static std::mutex mutex;
  static std::vector<IpAddress> addresses;
  static std::optional<SteadyClock::time_point> read_at;
  const std::lock_guard lock(mutex);
  const auto now = SteadyClock::now();
  if (!read_at || now - *read_at > std::chrono::minutes(1)) {
    if (auto found = read_interface_addresses()) {  // else those known before stay denied
      addresses = std::move(*found);
      read_at = now;
    }
  }
  return addresses;
}

Result<Network> Network::parse(std::string_view text) {
  const auto bad = [&](const char* why) {
    return Error{
        ErrorKind::invalid_value,
        fmt::format("{} is not a network ({}); write it as \"10.0.0.0/8\"", quoted(text), why)};
  };
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return bad("the address");
  const bool as_v4 = address->is_v4();
  const int widest = as_v4 ? 32 : 128;
  int bits = widest;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (error != std::errc() || end != digits.data() + digits.size() || digits.size() > 3 ||
        digits.front() == '-' || bits > widest) {
      return bad("the prefix length");
    }
  }
  if (as_v4) bits += kV4Shift;
  if (!bits_after_are_zero(*address, bits)) return bad("bits are set behind the prefix");
  return Network{*address, bits};
}

bool Network::contains(const IpAddress& a) const {
  if (a.is_v4() != first.is_v4()) return false;
  const auto whole = static_cast<std::size_t>(prefix_bits / 8);
  if (!std::equal(a.bytes.begin(), a.bytes.begin() + static_cast<std::ptrdiff_t>(whole),
                  first.bytes.begin())) {
    return false;
  }
  if (prefix_bits % 8 == 0) return true;
  const int shift = 8 - prefix_bits % 8;
  return a.bytes[whole] >> shift == first.bytes[whole] >> shift;
}

std::string Network::to_string() const {
  return fmt::format("{}/{}", first.to_string(),
                     first.is_v4() ? prefix_bits - kV4Shift : prefix_bits);
}

AddressPolicy::AddressPolicy(std::vector<Network> allow,
                             std::function<std::vector<IpAddress>()> own_addresses)
    : allow_(std::move(allow)), own_addresses_(std::move(own_addresses)) {}

AddressPolicy AddressPolicy::allow_everything() {
  AddressPolicy policy;
  policy.everything_ = true;
  return policy;
}

bool AddressPolicy::allowed(const IpAddress& address) const {
  return everything_ || std::any_of(allow_.begin(), allow_.end(),
                                    [&](const Network& n) { return n.contains(address); });
}

std::optional<std::string> AddressPolicy::refusal_inside(
    const IpAddress& outer, const char* wrapping, const std::vector<IpAddress>& inside) const {
  for (const IpAddress& inner : inside) {
    if (const auto reason = refusal(inner)) {
      return fmt::format("{} is {} for {}: {}", outer.to_string(), wrapping, inner.to_string(),
                         *reason);
    }
  }
  return std::nullopt;
}

std::optional<std::string> AddressPolicy::refusal(const IpAddress& address) const {
  if (allowed(address)) return std::nullopt;
  if (own_addresses_) {
    const auto own = own_addresses_();
    if (std::find(own.begin(), own.end(), address) != own.end()) {
      const auto range = denied_range(address);
      const Network only{address, 128};
      return fmt::format("{} is this host's own; {}", address.to_string(),
                         how_to_permit(range ? range->network : only));
    }
  }
  const bool is_word = address == address_of(0, 0) || address == address_of(0, 1);
  if (!is_word) {
    for (const Wrapper& w : kWrappers) {
      if (!network_of(w.range).contains(address)) continue;
      return refusal_inside(address, w.range.name, w.inside(address));
    }
  }
  if (const auto range = denied_range(address)) {
    return fmt::format("{} is {}; {}", address.to_string(), range->name,
                       how_to_permit(range->network));
  }
  return std::nullopt;
}

}  // namespace certline::scanner
