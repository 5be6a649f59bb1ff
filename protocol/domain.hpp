#pragma once
// A name as a client writes it: host, host:port, [v6]:port, IPv4, URL, or `*.` before a name.
// Parsed once and canonicalised: lower case, A-labels (IDNA 2008, RFC 5891), no trailing dot, no
// wildcard prefix.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/error.hpp"
#include "protocol/ip_address.hpp"

namespace certline {

struct DomainRules {
  bool special_names = false;  // permit single labels and special-use names (RFC 6761)
};

// "host:port", "[v6]:port"
std::string with_port(std::string_view host, std::uint16_t port);

class Domain {
 public:
  static Result<Domain> parse(std::string_view text, DomainRules rules = {});

  const std::string& host() const { return host_; }  // LDH name, or canonical address text
  const std::optional<IpAddress>& ip() const { return ip_; }
  std::uint16_t port() const { return port_; }         // 443 unless given
  const std::string& input() const { return input_; }  // as given, ASCII letters lower-cased
  // "host", "host:port" where the port is not 443, "[v6]:port": one text per (host, port).
  std::string canonical() const;

 private:
  Domain() = default;
  std::string host_;
  std::optional<IpAddress> ip_;
  std::uint16_t port_ = 443;
  std::string input_;
};

}  // namespace certline
