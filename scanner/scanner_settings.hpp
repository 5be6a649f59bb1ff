#pragma once
// The settings of the scanner. They are apart from scanner.hpp, so that a configuration does not
// need the scanner.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "protocol/ip_address.hpp"
#include "scanner/address_policy.hpp"

namespace certline::scanner {

struct Resolver {
  IpAddress address;
  std::uint16_t port = 53;
};

// What this host serves itself: reached at its own address, whatever DNS and the policy say.
struct OwnEndpoint {
  std::string host;  // as of a Target
  std::uint16_t port = 443;
  IpAddress address;
};

struct ScannerSettings {
  std::vector<Resolver> resolvers;  // empty: the system's
  std::shared_ptr<const AddressPolicy> policy;
  std::chrono::milliseconds timeout{10'000};  // per address, over connect, STARTTLS and handshake
  std::chrono::milliseconds dns_timeout{5'000};
  unsigned threads = 0;                        // 0: one per core
  unsigned per_address = 4;                    // probes of one address at once
  std::string ehlo_name = "certline.invalid";  // how a STARTTLS dialogue introduces itself
  std::vector<OwnEndpoint> own;                // TLS from the first byte
};

}  // namespace certline::scanner
