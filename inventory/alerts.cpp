// The names of events, and the moments when a certificate that nobody renews becomes news again.
// The moments come from its dates alone, so every host that serves it agrees on them. Next:
// alert_judgement.cpp.
#include "inventory/alerts.hpp"

#include <algorithm>

#include "inventory/renewal.hpp"
#include "inventory/schedule.hpp"

namespace certline {
namespace {

constexpr std::array<std::string_view, kEventKindCount> kNames = {
    "renewal_overdue",    "expired",         "renewed",     "old_certificate", "verdict",
    "addresses_disagree", "address_down",    "unreachable", "could_not_check", "recovered",
    "client_silent",      "scanner_stalled", "mass_outage", "digest",          "test",
    "mail_confirmation",
};

constexpr UtcTime kDaysOfDailyReports = 7;

}  // namespace

std::string_view event_name(EventKind kind) {
  const auto number = static_cast<std::size_t>(kind);
  return number >= 1 && number <= kNames.size() ? kNames[number - 1] : "unknown";
}

std::optional<EventKind> event_by_number(std::uint8_t n) {
  if (n < 1 || n > kEventKindCount) return std::nullopt;
  return static_cast<EventKind>(n);
}

bool is_network_shaped(EventKind kind) {
  return kind == EventKind::address_down || kind == EventKind::unreachable ||
         kind == EventKind::could_not_check;
}

Subject subject_of(std::uint64_t number) {
  Subject subject{};
  for (auto at = subject.rbegin(); number != 0; ++at, number >>= 8) {
    *at = static_cast<std::uint8_t>(number);
  }
  return subject;
}

Subject subject_of(const KeyTag& tag) {
  Subject subject{};
  std::copy(tag.begin(), tag.end(), subject.begin());
  return subject;
}

std::uint8_t renewal_stage(UtcTime not_before, UtcTime not_after, UtcTime now) {
  const UtcTime lifetime = not_after - not_before;
  if (not_after == 0 || lifetime <= 0) return 0;
  UtcTime last = renewal_due_from(not_before, not_after);
  if (now < last) return 0;
  std::uint8_t stage = 1;
  for (const UtcTime left : {lifetime / 6, lifetime / 12, 7 * kDay, 3 * kDay, kDay}) {
    const UtcTime moment = not_after - left;
    if (moment <= last) continue;
    if (now < moment) break;
    last = moment;
    ++stage;
  }
  return stage;
}

std::uint8_t expired_stage(UtcTime not_after, UtcTime now) {
  if (not_after == 0 || now < not_after) return 0;
  const UtcTime days = (now - not_after) / kDay;
  const UtcTime stage =
      days < kDaysOfDailyReports ? days + 1 : kDaysOfDailyReports + days / kDaysOfDailyReports;
  return static_cast<std::uint8_t>(std::min<UtcTime>(stage, 255));
}

}  // namespace certline
