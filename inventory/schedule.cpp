// When to look next, as tables of intervals, and the dispatcher, which works off the due index. It
// goes through each lane in laps. A cursor moves on, so one call does bounded work however many
// scans are under way. A lap has a fixed end, so nothing behind the cursor starves.
#include "inventory/schedule.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace certline {
namespace {

constexpr UtcTime kLongInterval = 6 * kHour;
constexpr UtcTime kHealthyEarliest = kDay * 4 / 5;
constexpr UtcTime kHealthySpan = kDay * 2 / 5;
constexpr std::array<UtcTime, 4> kFailing = {5 * kMinute, 15 * kMinute, kHour, kLongInterval};
constexpr std::array<UtcTime, 7> kExpecting = {10,           30,    kMinute,      5 * kMinute,
                                               15 * kMinute, kHour, kLongInterval};
constexpr UtcTime kLifetimeParts = 20;

constexpr UtcTime kTokenSeconds = 60;   // unused backlog allowance is kept this long
constexpr std::size_t kLookAhead = 32;  // index entries read beyond those wanted

template <std::size_t N>
UtcTime step_of(const std::array<UtcTime, N>& steps, std::size_t step) {
  return steps[std::min(step, N - 1)];
}

}  // namespace

UtcTime next_scan(const EndpointRecord& endpoint, UtcTime shortest_lifetime, UtcTime now,
                  const Random& random) {
  UtcTime interval = kHealthyEarliest +
                     static_cast<UtcTime>(random() % static_cast<std::uint64_t>(kHealthySpan + 1));
  if (endpoint.certificate_found && endpoint.renewal_due_utc != 0)
    interval =
        std::min(interval, std::max<UtcTime>(0, endpoint.renewal_due_utc - now) + kLongInterval);
  if (endpoint.failures > 0 && endpoint.problem != ScanState::policy)
    interval = std::min(interval, step_of(kFailing, endpoint.failures - 1u));
  if (shortest_lifetime > 0)
    interval = std::min(interval, std::max(kMinute, shortest_lifetime / kLifetimeParts));
  if (endpoint.expectation_open)
    interval = std::min(interval, step_of(kExpecting, endpoint.expectation_step));
  return now + interval;
}

Dispatcher::Dispatcher(UtcTime start_utc, std::uint64_t overdue_at_start)
    : start_utc_(start_utc),
      last_utc_(start_utc),
      backlog_rate_(std::max(kBacklogPerSecond, static_cast<double>(overdue_at_start) /
                                                    static_cast<double>(kBacklogSpreadSeconds))),
      backlog_tokens_(backlog_rate_) {}

void Dispatcher::advance_clock(UtcTime now) {
  if (now < start_utc_) {  // the clock stepped back: what is due from now on is fresh
    start_utc_ = now;
    backlog_ = {};
    fresh_ = {};
  }
  const UtcTime passed = std::clamp<UtcTime>(now - last_utc_, 0, kTokenSeconds);
  last_utc_ = now;
  backlog_tokens_ = std::min(backlog_tokens_ + backlog_rate_ * static_cast<double>(passed),
                             backlog_rate_ * static_cast<double>(kTokenSeconds));
}

void Dispatcher::collect(Lane& lane, DueEntry floor, UtcTime until, const DueIndex& index,
                         std::size_t want, std::vector<EndpointId>& out) {
  const std::size_t full = out.size() + want;
  for (;;) {
    const bool whole_lap = !lane.under_way;
    if (whole_lap) lane = {true, floor, until};
    while (out.size() < full) {
      const std::size_t most = full - out.size() + kLookAhead;
      const auto entries = index.due(lane.cursor, std::min(lane.until, until), most);
      for (const auto& entry : entries) {
        if (out.size() == full) return;
        lane.cursor = entry;
        if (in_flight_.insert(entry.endpoint).second) out.push_back(entry.endpoint);
      }
      if (entries.size() < most) {
        lane.under_way = false;
        break;
      }
    }
    if (out.size() == full || whole_lap) return;
  }
}

std::vector<EndpointId> Dispatcher::take(const DueIndex& index, UtcTime now, std::size_t capacity) {
  std::vector<EndpointId> out;
  advance_clock(now);
  if (capacity == 0) return out;
  constexpr DueEntry kLowest{std::numeric_limits<UtcTime>::min(), 0};
  const auto backlog = [&](std::size_t share) {
    const std::size_t before = out.size();
    const auto allowed = static_cast<std::size_t>(backlog_tokens_);
    collect(backlog_, kLowest, std::min(start_utc_ - 1, now), index, std::min(share, allowed), out);
    backlog_tokens_ -= static_cast<double>(out.size() - before);
  };
  // Half for the backlog, as far as its rate allows; an odd one alternates. Neither lane can take
  // all from the other, and what one leaves the other gets.
  odd_to_backlog_ = !odd_to_backlog_;
  backlog(capacity / 2 + (odd_to_backlog_ ? capacity % 2 : 0));
  const DueEntry before_start{start_utc_ - 1, std::numeric_limits<EndpointId>::max()};
  collect(fresh_, before_start, now, index, capacity - out.size(), out);
  if (out.size() < capacity) backlog(capacity - out.size());
  return out;
}

void Dispatcher::finished(EndpointId endpoint) {
  in_flight_.erase(endpoint);
}

}  // namespace certline
