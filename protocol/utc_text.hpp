#pragma once
// Moments as text: UTC, and in English whatever the locale. Pure; nothing throws.

#include <string>
#include <string_view>

#include "protocol/values.hpp"

namespace certline {

std::string day_text(UtcTime when);      // "2026-12-03"
std::string minute_text(UtcTime when);   // "2026-12-03 15:55 UTC"
std::string second_text(UtcTime when);   // "2026-12-03 15:55:43 UTC"
std::string iso_utc_text(UtcTime when);  // "2026-12-03T15:55:43Z" (RFC 3339)

// As the headers of HTTP and mail have it: "Thu, 03 Dec 2026 15:55:43 GMT"; the zone's name is
// `zone`, which has to stand for UTC.
std::string header_date(UtcTime when, std::string_view zone);

}  // namespace certline
