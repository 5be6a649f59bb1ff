#pragma once
// Runs the schedule: takes due endpoints from the store, has them scanned, writes the results. It
// has its own thread. The scanner's threads hand their results straight to the store's writer.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "daemon/runtime/parts.hpp"
#include "daemon/runtime/settings.hpp"
#include "inventory/outage.hpp"
#include "scanner/scanner.hpp"

namespace certline::scans {

struct ScanDriverParts {
  const runtime::Parts& parts;
  scanner::Scanner& scanner;
  pki::IntermediatePool& pool;
  // After the commit of a scan's results, on the writer thread.
  std::function<void(EndpointId)> scanned;
};

class ScanDriver {
 public:
  ScanDriver(ScanDriverParts parts, runtime::SettingsPtr settings);
  // Results still under way are dropped. stop() first, then destroy the scanner, then this.
  ~ScanDriver();

  void start();
  void stop();                                 // no scan is begun any more
  void wake();                                 // any thread: something may be due now
  void reload(runtime::SettingsPtr settings);  // any thread
  void heartbeat(std::function<void()> beat);  // runs `beat` on the driver's thread

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

// Whether the daemon's own network seems to be out, and whether that was told. Belongs to the
// store's writer thread.
struct OutageState {
  OutageWatch watch;
  std::optional<bool> told;  // absent: not known yet, after a start
};

// Tells that an outage has begun or ended since; gives what `told` is once that is committed.
std::optional<bool> tell_outage_change(store::WriteView& view, const OutageState& book,
                                       const runtime::Config& config, UtcTime now);

// What applying a scan needs besides the scan. `outage`: the daemon's own network seems to be out.
struct ScanRules {
  const runtime::Config& config;
  UtcTime now = 0;
  const Random& random;
  bool outage = false;
};

// What a scan says about the daemon's own network; nothing where it says nothing.
struct NetworkHint {
  bool failed = false;
};

// What a scan changes, as one write: address records, certificates, history, roll-up, the announced
// leaves, trials, what is told of it, the next due time. Leaves everything alone when the endpoint
// is gone or another by now.
std::optional<NetworkHint> apply_scan(store::WriteView& view, EndpointId endpoint,
                                      const scanner::Target& target, const Observation& seen,
                                      const ScanRules& rules);

}  // namespace certline::scans
