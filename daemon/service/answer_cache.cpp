// A hash table in shards. A shard is many small sets under one mutex, and an answer lies in one
// set. When the set is full, the answer at a place picked by the hash makes room. So a look-up
// costs two or three cache lines whatever the size, and nothing is ever swept.
#include "daemon/service/answer_cache.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <functional>

namespace certline::service {
namespace {

constexpr std::size_t kFirstSets = 8;
constexpr std::uint64_t kSpread = 0x9E3779B97F4A7C15;  // 2^64 by the golden ratio

std::uint64_t hash_of(std::string_view domain, std::string_view key) {
  const std::hash<std::string_view> hash;
  return (hash(domain) ^ hash(key) * kSpread) * kSpread;
}

// The low bits of a hash pick the shard, the high half the set, what lies between is the tag.
std::uint32_t tag_of(std::uint64_t hash) {
  return static_cast<std::uint32_t>(hash) | 1;
}

// A look at a large table is mostly waiting for memory, and for the tables that say where that is:
// huge pages spare the latter. Asked for before the memory is touched; no matter if refused.
void prefer_huge_pages(void* memory, std::size_t bytes) {
  constexpr std::uintptr_t kHuge = 2u << 20;
  const auto begin = (reinterpret_cast<std::uintptr_t>(memory) + kHuge - 1) & ~(kHuge - 1);
  const auto end = (reinterpret_cast<std::uintptr_t>(memory) + bytes) & ~(kHuge - 1);
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

}  // namespace

AnswerCache::AnswerCache(std::size_t most) : sets_per_shard_(most / kShards / kWays) {}

AnswerCache::Set& AnswerCache::set_of(Shard& shard, std::uint64_t hash) {
  return shard.sets[(hash >> 32) * shard.sets.size() >> 32];
}

std::optional<AnswerCache::Answer> AnswerCache::find(std::string_view domain,
                                                     std::string_view key) {
  const std::uint64_t hash = hash_of(domain, key);
  Shard& shard = shards_[hash % kShards];
  const std::lock_guard lock(shard.mutex);
  if (shard.sets.empty()) return std::nullopt;
  const Set& set = set_of(shard, hash);
  for (std::size_t i = 0; i < kWays; ++i) {
    const Slot& slot = set.slots[i];
    if (set.tags[i] == tag_of(hash) && slot.domain() == domain && slot.key() == key) {
      return slot.answer;
    }
  }
  return std::nullopt;
}

void AnswerCache::keep(std::string_view domain, std::string_view key, const Answer& answer) {
  if (domain.size() + key.size() > kTextBytes || sets_per_shard_ == 0) return;
  Slot slot{
      answer, static_cast<std::uint8_t>(domain.size()), static_cast<std::uint8_t>(key.size()), {}};
  std::copy(key.begin(), key.end(), std::copy(domain.begin(), domain.end(), slot.text.begin()));
  const std::uint64_t hash = hash_of(domain, key);
  Shard& shard = shards_[hash % kShards];
  const std::lock_guard lock(shard.mutex);
  if (shard.used * 4 >= shard.sets.size() * kWays * 3) grow(shard);
  place(shard, hash, slot);
}

// With what allocating costs.
std::size_t AnswerCache::detail_bytes(const Answer& answer) {
  constexpr std::size_t kAround = 64;
  return answer.detail ? answer.detail->size() + kAround : 0;
}

// An answer whose detail no longer fits is left out; one that it would have replaced no longer
// holds and says so.
void AnswerCache::place(Shard& shard, std::uint64_t hash, const Slot& slot) {
  Set& set = set_of(shard, hash);
  std::size_t at = kWays;
  for (std::size_t i = 0; i < kWays; ++i) {
    const bool same = set.tags[i] == tag_of(hash) && set.slots[i].domain() == slot.domain() &&
                      set.slots[i].key() == slot.key();
    if (same || (set.tags[i] == 0 && at == kWays)) at = i;
    if (same) break;
  }
  if (at == kWays) at = (hash >> 6) % kWays;
  const std::size_t details =
      shard.detail_bytes - detail_bytes(set.slots[at].answer) + detail_bytes(slot.answer);
  if (slot.answer.detail && details > kDetailBytes / kShards) return;
  shard.detail_bytes = details;
  if (set.tags[at] == 0) ++shard.used;
  set.tags[at] = tag_of(hash);
  set.slots[at] = slot;
}

void AnswerCache::grow(Shard& shard) const {
  const std::size_t size = std::min(std::max(kFirstSets, 2 * shard.sets.size()), sets_per_shard_);
  if (size == shard.sets.size()) return;
  std::vector<Set> old;
  old.reserve(size);
  prefer_huge_pages(old.data(), size * sizeof(Set));
  old.resize(size);
  old.swap(shard.sets);
  shard.used = shard.detail_bytes = 0;
  for (const Set& set : old) {
    for (std::size_t i = 0; i < kWays; ++i) {
      if (set.tags[i] == 0) continue;
      place(shard, hash_of(set.slots[i].domain(), set.slots[i].key()), set.slots[i]);
    }
  }
}

}  // namespace certline::service
