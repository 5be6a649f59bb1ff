#pragma once
// Looks at every address behind a name: resolve, check the policy, connect, STARTTLS, handshake,
// verdict. It has its own threads. Results come through the callback, on a scanner thread.

#include <functional>
#include <memory>
#include <string>

#include "inventory/observation.hpp"
#include "pki/verdict.hpp"
#include "protocol/values.hpp"
#include "scanner/scanner_settings.hpp"

namespace certline::scanner {

struct Target {
  std::string host;  // LDH name or address text
  std::uint16_t port = 443;
  Starttls starttls = Starttls::none;
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
