// The renewal rule: a third of the lifetime, at most 28 days; half of it for short-lived
// certificates.
#include "inventory/renewal.hpp"

#include <algorithm>

namespace certline {
namespace {
constexpr UtcTime kDaySeconds = 86'400;
constexpr UtcTime kLongestWindow = 28 * kDaySeconds;
constexpr UtcTime kShortLived = 10 * kDaySeconds;
}  // namespace

UtcTime renewal_due_from(UtcTime not_before, UtcTime not_after) {
  const UtcTime lifetime = std::max<UtcTime>(0, not_after - not_before);
  const UtcTime window =
      lifetime <= kShortLived ? lifetime / 2 : std::min(kLongestWindow, lifetime / 3);
  return not_after - window;
}

}  // namespace certline
