#pragma once
// The dead-man's switch for clients: a client that used to report and now stays away for longer
// than its habit is worth a message. Pure.

#include <optional>

#include "inventory/records.hpp"

namespace certline {

// Requests within one period count as one report, so that a busy client costs few writes.
inline constexpr UtcTime kReportPeriod = 6 * 3600;

// Does a request at `now` make a new report of this key?
bool is_report(const KeyRecord& key, UtcTime now);
// Notes it: last_seen, reports, the running mean of gaps; ends a silence.
void note_report(KeyRecord& key, UtcTime now);
// When the key counts as silent unless it is seen before: three usual gaps and at least two days
// after it was last seen. Nothing before three reports, and for keys that are revoked or blocked.
std::optional<UtcTime> silent_from(const KeyRecord& key);

}  // namespace certline
