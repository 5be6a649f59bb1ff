#pragma once
// A bounded map from SHA-256 to values, for many threads. It is split into parts with a lock each.
// When a part is full, its oldest entry makes room for the newest. Values are copied out, so keep
// them small.

#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "protocol/values.hpp"

namespace certline::pki {

struct DigestHash {
  std::size_t operator()(const Sha256& digest) const {
    std::size_t value = 0;
    std::memcpy(&value, digest.data(), sizeof value);
    return value;
  }
};

template <class Value>
class BoundedCache {
 public:
  explicit BoundedCache(std::size_t most) : most_per_part_(most / kParts + 1) {}

  std::optional<Value> find(const Sha256& key) const {
    const Part& part = part_of(key);
    const std::lock_guard lock(part.mutex);
    const auto at = part.values.find(key);
    return at == part.values.end() ? std::nullopt : std::optional<Value>(at->second);
  }

  void put(const Sha256& key, Value value) {
    Part& part = const_cast<Part&>(part_of(key));
    const std::lock_guard lock(part.mutex);
    if (!part.values.insert_or_assign(key, std::move(value)).second) return;
    part.order.push_back(key);
    if (part.order.size() <= most_per_part_) return;
    part.values.erase(part.order.front());
    part.order.pop_front();
  }

  std::size_t size() const {
    std::size_t sum = 0;
    for (const Part& part : parts_) {
      const std::lock_guard lock(part.mutex);
      sum += part.values.size();
    }
    return sum;
  }

 private:
  static constexpr std::size_t kParts = 16;
  struct Part {
    mutable std::mutex mutex;
    std::unordered_map<Sha256, Value, DigestHash> values;
    std::deque<Sha256> order;
  };
  const Part& part_of(const Sha256& key) const { return parts_[key.back() % kParts]; }

  std::size_t most_per_part_;
  std::array<Part, kParts> parts_;
};

}  // namespace certline::pki
