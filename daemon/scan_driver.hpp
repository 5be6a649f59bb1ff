#pragma once
// Keeps the schedule: takes due endpoints from the store, has them scanned, writes what was seen.
// Own thread; the scanner's threads hand their results straight to the store's writer.

#include <cstdint>
#include <functional>
#include <memory>

#include "daemon/service.hpp"
#include "scanner/scanner.hpp"

namespace certline::daemon {

struct ScanDriverParts {
  Service& service;
  scanner::Scanner& scanner;
  pki::IntermediatePool& pool;
  // After the commit of a scan's results, on the writer thread.
  std::function<void(EndpointId)> scanned;
};

class ScanDriver {
 public:
  ScanDriver(ScanDriverParts parts, std::uint32_t concurrency);
  // Results still under way are dropped. stop() first, then destroy the scanner, then this.
  ~ScanDriver();

  void start();
  void stop();                                      // no scan is begun any more
  void wake();                                      // any thread: something may be due now
  void set_concurrency(std::uint32_t concurrency);  // any thread
  void heartbeat(std::function<void()> beat);       // runs `beat` on the driver's thread

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

// What a scan changes, as one write: address records, certificates, history, roll-up, the announced
// leaves, the next due time. Leaves everything alone when the endpoint is gone or another by now.
void apply_scan(store::WriteView& view, EndpointId endpoint, const scanner::Target& target,
                const Observation& seen, UtcTime now, const Random& random);

}  // namespace certline::daemon
