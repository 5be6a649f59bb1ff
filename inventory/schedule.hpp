#pragma once
// When an endpoint is looked at next, and how a backlog is worked off. Pure: time and randomness
// come in as arguments.

#include <cstdint>
#include <functional>
#include <span>
#include <unordered_set>
#include <vector>

#include "inventory/records.hpp"

namespace certline {

using Random = std::function<std::uint64_t()>;  // uniform over 64 bits

inline constexpr UtcTime kMinute = 60, kHour = 3600, kDay = 86'400;

// Healthy: 24 h ± 20 %. Renewal due: 6 h. Failing: 5 min, 15 min, 1 h, then every 6 h. Never later
// than a twentieth of the shortest lifetime (at least 1 min). While an announced leaf is awaited:
// 10 s, 30 s, 1 min, 5 min, 15 min, 1 h, then 6 h. The earliest of those that apply.
// `shortest_lifetime` is 0 when no certificate was seen.
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

// Decides which endpoints to scan now. Two lanes over one index: what became due since start-up goes
// at once; what was already overdue at start-up is spread over an hour (never slower than
// kBacklogPerSecond), so that a million overdue names neither stampede nor delay a new one.
class Dispatcher {
 public:
  static constexpr UtcTime kBacklogSpreadSeconds = 3600;
  static constexpr double kBacklogPerSecond = 20;

  Dispatcher(UtcTime start_utc, std::uint64_t overdue_at_start);

  // Endpoints to start now, at most `capacity`; they count as in flight until finished().
  std::vector<EndpointId> take(const DueIndex& index, UtcTime now, std::size_t capacity);
  void finished(EndpointId endpoint);
  std::size_t in_flight() const { return in_flight_.size(); }

 private:
  std::unordered_set<EndpointId> in_flight_;
};

}  // namespace certline
