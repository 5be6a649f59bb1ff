// The rules of waiting, without threads and clocks. So a test runs through an hour's outage in a
// loop.
#include "daemon/notices/delivery_queue.hpp"

#include <algorithm>
#include <array>

#include "daemon/notices/incidents.hpp"

namespace certline::notices {

UtcTime pause_after(std::uint32_t failures) {
  static constexpr std::array<UtcTime, 8> kMinutes{1, 2, 5, 10, 30, 60, 120, 240};
  const std::size_t step = std::min<std::size_t>(std::max(failures, 1u), kMinutes.size()) - 1;
  return 60 * kMinutes[step];
}

void DeliveryQueue::add(const std::string& name, std::uint64_t id, UtcTime created,
                        std::uint16_t attempts) {
  if (!channels_of_.emplace(id, name).second) return;
  Channel& channel = channels_[name];
  channel.per_minute = name == runtime::kMailChannel ? mails_per_minute_ : others_per_minute_;
  channel.waiting[id] = {created, 0, attempts};
  channel.fresh = true;
}

// When it may be tried, as far as the channel goes.
UtcTime DeliveryQueue::free_from(const Channel& channel, UtcTime now) {
  UtcTime from = channel.rest_until;
  if (channel.fresh) from = std::min(from, channel.last_attempt + kFreshPause);
  const bool full = channel.minute == now / 60 && channel.in_minute >= channel.per_minute;
  return full ? std::max(from, (now / 60 + 1) * 60) : from;
}

std::vector<std::pair<std::string, std::uint64_t>> DeliveryQueue::begin(UtcTime now) {
  std::vector<std::pair<std::string, std::uint64_t>> begun;
  for (auto& [name, channel] : channels_) {
    if (channel.busy || channel.waiting.empty() || free_from(channel, now) > now) continue;
    const auto next = std::find_if(channel.waiting.begin(), channel.waiting.end(),
                                   [now](const auto& w) { return w.second.not_before <= now; });
    if (next == channel.waiting.end()) continue;
    if (channel.minute != now / 60) channel.in_minute = 0;
    channel.minute = now / 60;
    ++channel.in_minute;
    channel.busy = true;
    channel.fresh = false;
    channel.last_attempt = now;
    begun.emplace_back(name, next->first);
  }
  return begun;
}

void DeliveryQueue::forget(Channel& channel, std::uint64_t id) {
  channel.waiting.erase(id);
  channels_of_.erase(id);
}

std::vector<std::uint64_t> DeliveryQueue::too_old(const Channel& channel, UtcTime now) {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, waiting] : channel.waiting) {
    if (now >= waiting.created + kDeliveryLifetime) ids.push_back(id);
  }
  return ids;
}

DeliveryQueue::Next DeliveryQueue::ended(std::uint64_t id, HandoverOutcome outcome, UtcTime now) {
  Channel& channel = channels_[channels_of_.at(id)];
  Waiting& waiting = channel.waiting.at(id);
  if (outcome == HandoverOutcome::stopped) return {false, false, now, {}};
  const UtcTime last = waiting.created + kDeliveryLifetime;
  if (outcome == HandoverOutcome::nobody) {
    if (now >= channel.rest_until) channel.rest_until = now + pause_after(++channel.failures);
  } else {
    channel.failures = 0;
    channel.rest_until = 0;
  }
  const bool again = outcome == HandoverOutcome::nobody || outcome == HandoverOutcome::put_back;
  if (!again || now >= last) {
    Next next{true, outcome != HandoverOutcome::delivered, 0, {}};
    forget(channel, id);
    if (outcome == HandoverOutcome::nobody) next.late = too_old(channel, now);
    for (const std::uint64_t other : next.late) forget(channel, other);
    return next;
  }
  ++waiting.attempts;
  if (outcome == HandoverOutcome::nobody) {
    channel.rest_until = std::min(channel.rest_until, std::max(last, now + 60));
    return {false, false, channel.rest_until, {}};
  }
  waiting.not_before = std::min(now + pause_after(waiting.attempts), last);
  return {false, false, waiting.not_before, {}};
}

void DeliveryQueue::release(const std::string& channel) {
  channels_[channel].busy = false;
}

void DeliveryQueue::vanished(std::uint64_t id) {
  const auto found = channels_of_.find(id);
  if (found == channels_of_.end()) return;
  Channel& channel = channels_[found->second];
  channel.busy = false;
  forget(channel, id);
}

std::optional<UtcTime> DeliveryQueue::next_time(UtcTime now) const {
  std::optional<UtcTime> next;
  for (const auto& [name, channel] : channels_) {
    if (channel.busy || channel.waiting.empty()) continue;
    UtcTime first = channel.waiting.begin()->second.not_before;
    for (const auto& [id, waiting] : channel.waiting) {
      first = std::min(first, waiting.not_before);
      if (first <= now) break;
    }
    const UtcTime at = std::max(first, free_from(channel, now));
    next = next ? std::min(*next, at) : at;
  }
  return next;
}

}  // namespace certline::notices
