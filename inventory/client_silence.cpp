// A client's habit is the running mean of the gaps between its reports. A gap counts as three times
// the habit at most, so one long silence does not make the next one look normal.
#include "inventory/client_silence.hpp"

#include <algorithm>

#include "inventory/schedule.hpp"

namespace certline {
namespace {

constexpr std::uint32_t kReportsBeforeHabit = 3;
constexpr UtcTime kGapsToSilence = 3;
constexpr UtcTime kLeastSilence = 2 * kDay;
constexpr UtcTime kMostWeights = 8;  // gaps that the mean remembers, about

}  // namespace

bool is_report(const KeyRecord& key, UtcTime now) {
  return key.reports == 0 || now < key.last_seen_utc || now - key.last_seen_utc >= kReportPeriod;
}

void note_report(KeyRecord& key, UtcTime now) {
  UtcTime gap = now - key.last_seen_utc;
  if (key.reports > 0 && gap > 0) {
    if (key.reports >= kReportsBeforeHabit) gap = std::min(gap, kGapsToSilence * key.usual_gap_s);
    const UtcTime weight = std::min<UtcTime>(key.reports, kMostWeights);
    key.usual_gap_s += (gap - key.usual_gap_s) / weight;
  }
  key.last_seen_utc = now;
  if (key.reports < UINT32_MAX) ++key.reports;
  key.silence_told = false;
}

std::optional<UtcTime> silent_from(const KeyRecord& key) {
  if (key.state != KeyState::active || key.reports < kReportsBeforeHabit) return std::nullopt;
  return key.last_seen_utc + std::max(kGapsToSilence * key.usual_gap_s, kLeastSilence);
}

}  // namespace certline
