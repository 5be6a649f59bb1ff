#pragma once
// Looks at every address behind a name: resolve, check the policy, connect, STARTTLS, handshake,
// verdict. Own threads; results leave through the callback, on a scanner thread.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "inventory/observation.hpp"
#include "pki/verdict.hpp"
#include "protocol/ip_address.hpp"
#include "protocol/values.hpp"
#include "scanner/address_policy.hpp"

namespace certline::scanner {

struct Target {
  std::string host;  // LDH name or address text
  std::uint16_t port = 443;
  Starttls starttls = Starttls::none;
};

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

class Scanner {
 public:
  using Done = std::function<void(Observation)>;

  static std::unique_ptr<Scanner> create(ScannerSettings settings,
                                         std::shared_ptr<pki::Verifier> verifier,
                                         std::function<UtcTime()> clock);
  virtual ~Scanner() = default;  // cancels what is under way, joins; their callbacks never come

  // Thread-safe. `done` is called exactly once unless the scanner is destroyed first.
  virtual void scan(Target target, Done done) = 0;
  // Takes effect for scans that start afterwards. `threads` is ignored.
  virtual void reconfigure(ScannerSettings settings) = 0;
};

}  // namespace certline::scanner
