#pragma once
// What every part of the daemon is given. There is one for the life of the process: process.cpp
// makes it. A test makes its own, with a clock and random bytes that it sets.

#include <atomic>
#include <cstdint>
#include <functional>

#include "daemon/runtime/entropy.hpp"
#include "daemon/runtime/log.hpp"
#include "store/store.hpp"

namespace certline::runtime {

// Figures that one part keeps and another shows.
struct Gauges {
  std::atomic<std::uint64_t> connections{0};
  std::atomic<std::uint64_t> scans_in_flight{0};
  // When the results of a scan were last committed; 0: not since the start. Written by the scan's
  // own job alone, so that it tells whether scans go on.
  std::atomic<UtcTime> last_scan_utc{0};
};

// Thread-safe.
struct Parts {
  store::Store& store;
  Log& log;
  Gauges& gauges;
  std::function<UtcTime()> clock;
  Entropy entropy;
  // Called on the writer thread; may be empty. The store cannot be used any more; some endpoint may
  // be due earlier than before.
  std::function<void()> on_panic = {};
  std::function<void()> on_due_changed = {};

  UtcTime now() const { return clock(); }
  void due_changed() const {
    if (on_due_changed) on_due_changed();
  }
  // What a commit that failed means to whoever asked for it.
  Error commit_error(store::CommitOutcome outcome) const;
};

}  // namespace certline::runtime
