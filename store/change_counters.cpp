// Counters in three arrays, so that a write to one endpoint never disturbs the remembered answers
// for all names of a key. A row finds its counter by its own identity; nothing is registered.
#include "store/change_counters.hpp"

#include <functional>

namespace certline::store {

ChangeCounters::ChangeCounters() : all_(std::make_unique<All>()) {}

std::uint16_t ChangeCounters::of_key(const Sha256& key_hash) {
  return static_cast<std::uint16_t>(key_hash[0] << 8 | key_hash[1]);
}

std::uint16_t ChangeCounters::of_watch(AccountId account, std::string_view canonical) {
  const std::uint64_t name = std::hash<std::string_view>()(canonical);
  return static_cast<std::uint16_t>((name ^ account * 0x9E3779B97F4A7C15) >> 48);
}

std::uint16_t ChangeCounters::of_endpoint(EndpointId id) {
  return static_cast<std::uint16_t>(id);
}

void ChangeCounters::touch(Counter& counter) {
  if (counter.load(std::memory_order_relaxed) % 2 == 1) return;
  touched_.push_back(&counter);
  counter.fetch_add(1);
}

void ChangeCounters::touch_key(const Sha256& key_hash) {
  touch(all_->keys[of_key(key_hash)]);
}

void ChangeCounters::touch_watch(AccountId account, std::string_view canonical) {
  touch(all_->watches[of_watch(account, canonical)]);
}

void ChangeCounters::touch_endpoint(EndpointId id) {
  touch(all_->endpoints[of_endpoint(id)]);
}

void ChangeCounters::settle() {
  for (Counter* const counter : touched_) counter->fetch_add(1);
  touched_.clear();
}

void ChangeCounters::touch_everything() {
  everything_.fetch_add(1);
}

std::optional<std::uint32_t> ChangeCounters::sum(const Stamp& of) const {
  const std::uint32_t key = all_->keys[of.key].load();
  const std::uint32_t watch = all_->watches[of.watch].load();
  const std::uint32_t endpoint = all_->endpoints[of.endpoint].load();
  if ((key | watch | endpoint) % 2 == 1) return std::nullopt;
  return key + watch + endpoint + everything_.load();
}

std::optional<Stamp> ChangeCounters::stamp(const Sha256& key_hash, AccountId account,
                                           std::string_view canonical, EndpointId endpoint) const {
  Stamp stamp{of_key(key_hash), of_watch(account, canonical), of_endpoint(endpoint), 0};
  const auto now = sum(stamp);
  if (!now) return std::nullopt;
  stamp.sum = *now;
  return stamp;
}

bool ChangeCounters::unchanged(const Stamp& stamp) const {
  return sum(stamp) == stamp.sum;
}

}  // namespace certline::store
