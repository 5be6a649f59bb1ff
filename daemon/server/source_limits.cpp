// Connection counts and token buckets behind one mutex. A connection takes the mutex once; a
// request takes it once too, unless its source is exempt. That is a few map steps, far from any
// I/O.
#include "daemon/server/source_limits.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace certline::server {
namespace {

double refilled(double spent, SteadyTime last, SteadyTime now, std::uint32_t per_minute) {
  const double seconds = std::chrono::duration<double>(now - last).count();
  return std::max(0.0, spent - seconds * per_minute / 60.0);
}

}  // namespace

std::uint32_t TokenBucket::take(std::uint32_t per_minute, std::uint32_t burst, SteadyTime now) {
  spent_ = refilled(spent_, last_, now, per_minute);
  last_ = now;
  if (spent_ + 1 <= burst) {
    spent_ += 1;
    return 0;
  }
  return static_cast<std::uint32_t>(std::ceil((spent_ + 1 - burst) * 60.0 / per_minute));
}

bool TokenBucket::full(std::uint32_t per_minute, SteadyTime now) const {
  return refilled(spent_, last_, now, per_minute) <= 0;
}

std::size_t SourceLimits::PrefixHash::operator()(const IpAddress& a) const {
  return std::hash<std::string_view>()(
      {reinterpret_cast<const char*>(a.bytes.data()), a.bytes.size()});
}

bool SourceLimits::connected(const IpAddress& source, std::uint32_t most) {
  const std::lock_guard lock(mutex_);
  Source& entry = sources_[source_prefix(source)];
  if (entry.connections >= most) return false;
  ++entry.connections;
  return true;
}

void SourceLimits::disconnected(const IpAddress& source) {
  const std::lock_guard lock(mutex_);
  const auto found = sources_.find(source_prefix(source));
  if (found == sources_.end() || found->second.connections == 0) return;
  const bool last = --found->second.connections == 0;
  if (last && found->second.bucket.untouched()) sources_.erase(found);
}

bool SourceLimits::handshake_began(const IpAddress& source, const HandshakeLimits& limits,
                                   bool free) {
  const std::lock_guard lock(mutex_);
  if (handshakes_ >= limits.in_total) return false;
  Source& entry = sources_[source_prefix(source)];
  if (!free && entry.handshakes >= limits.per_source) return false;
  ++entry.handshakes;
  ++handshakes_;
  return true;
}

void SourceLimits::handshake_ended(const IpAddress& source) {
  const std::lock_guard lock(mutex_);
  const auto found = sources_.find(source_prefix(source));
  if (found == sources_.end() || found->second.handshakes == 0) return;
  --found->second.handshakes;
  --handshakes_;
}

std::uint32_t SourceLimits::request(const IpAddress& source, std::string_view key,
                                    const RateLimits& limits, SteadyTime now) {
  if (is_exempt(source, limits)) return 0;
  const std::lock_guard lock(mutex_);
  if (sources_.size() + keys_.size() > forget_at_) forget_idle(limits, now);
  const std::uint32_t wait = sources_[source_prefix(source)].bucket.take(limits.source_per_minute,
                                                                         limits.source_burst, now);
  if (wait > 0 || key.empty()) return wait;
  return keys_[std::string(key)].take(limits.key_per_minute, limits.key_burst, now);
}

std::size_t SourceLimits::tracked() {
  const std::lock_guard lock(mutex_);
  return sources_.size() + keys_.size();
}

void SourceLimits::forget_idle(const RateLimits& limits, SteadyTime now) {
  std::erase_if(sources_, [&](const auto& entry) {
    return entry.second.connections == 0 && entry.second.bucket.full(limits.source_per_minute, now);
  });
  std::erase_if(keys_,
                [&](const auto& entry) { return entry.second.full(limits.key_per_minute, now); });
  // Doubling keeps the sweep's cost constant per request however many sources are active.
  forget_at_ = std::max<std::size_t>(4096, 2 * (sources_.size() + keys_.size()));
}

}  // namespace certline::server
