#pragma once
// When an endpoint is scanned next, and in which order a backlog is worked off. Pure: time and
// randomness come in as arguments.

#include <cstdint>
#include <functional>
#include <span>
#include <unordered_set>
#include <vector>

#include "inventory/records.hpp"

namespace certline {

using Random = std::function<std::uint64_t()>;  // uniform over 64 bits

inline constexpr UtcTime kMinute = 60, kHour = 3600, kDay = 86'400;

// Healthy: 24 h ± 20 %. Renewal due: 6 h, counted from the moment it becomes due. Failing: 5 min,
// 15 min, 1 h, then every 6 h. Never later than a twentieth of the shortest lifetime (at least 1
// min). While an announced leaf is awaited: 10 s, 30 s, 1 min, 5 min, 15 min, 1 h, then 6 h. The
// earliest of those that apply. `shortest_lifetime` is 0 when no certificate was seen. An address
// that policy forbids isn't failing: only a setting changes it. Who stores the result counts
// expectation_step up by one afterwards, as long as expectation_open, and sets it to 0 when a watch
// announces a leaf: n scans after the announcement the wait is step n. `endpoint` holds failures as
// apply_observation() left them.
UtcTime next_scan(const EndpointRecord& endpoint, UtcTime shortest_lifetime, UtcTime now,
                  const Random& random);

struct DueEntry {
  UtcTime due_utc = 0;
  EndpointId endpoint = 0;
  auto operator<=>(const DueEntry&) const = default;
};

// Reads the due index in order. `after` is exclusive. At most `most` entries with due_utc <= until.
class DueIndex {
 public:
  virtual ~DueIndex() = default;
  virtual std::vector<DueEntry> due(DueEntry after, UtcTime until, std::size_t most) const = 0;
};

// Decides which endpoints to scan now. Two lanes over one index: what became due since start-up
// goes at once; what was already overdue at start-up is spread over an hour (never slower than
// kBacklogPerSecond), so that a million overdue names neither stampede nor delay a new one.
class Dispatcher {
 public:
  static constexpr UtcTime kBacklogSpreadSeconds = 3600;
  static constexpr double kBacklogPerSecond = 20;

  Dispatcher(UtcTime start_utc, std::uint64_t overdue_at_start);

  // Endpoints to start now, at most `capacity`; they count as in flight until finished(). Reads
  // about `capacity` entries beyond those in flight. Call it often, best once a second and when
  // scans end.
  std::vector<EndpointId> take(const DueIndex& index, UtcTime now, std::size_t capacity);
  // Call after the commit that moved the due entry: an entry that is still due is taken again. A
  // caller whose write failed waits a while before it calls this.
  void finished(EndpointId endpoint);
  std::size_t in_flight() const { return in_flight_.size(); }

 private:
  // A walk through one part of the index. A lap ends where its part ended when the lap began.
  struct Lane {
    bool under_way = false;
    DueEntry cursor{};  // exclusive
    UtcTime until = 0;
  };

  void advance_clock(UtcTime now);
  // Adds at most `want` endpoints of (floor, until] that are not in flight.
  void collect(Lane& lane, DueEntry floor, UtcTime until, const DueIndex& index, std::size_t want,
               std::vector<EndpointId>& out);

  UtcTime start_utc_;  // due before: backlog; from here on: fresh
  UtcTime last_utc_;
  double backlog_rate_;  // endpoints per second
  double backlog_tokens_;
  bool odd_to_backlog_ = false;
  Lane backlog_, fresh_;
  std::unordered_set<EndpointId> in_flight_;
};

}  // namespace certline
