#pragma once
// Tells a reader whether something it read before may have changed, without reading it again. Every
// key, watch and endpoint has one of many counters, shared by hash. A counter is odd from the first
// write that touches it until the commit of that write is over, and even at other times. If a sum
// of counters is the same as before and none is odd, nothing happened to these rows. A collision
// costs a needless look, never a wrong answer. Thread-safe unless stated otherwise.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "inventory/records.hpp"

namespace certline::store {

// What an answer about one watched name rests on, as it was when it was read.
struct Stamp {
  std::uint16_t key = 0, watch = 0, endpoint = 0;  // which counters
  std::uint32_t sum = 0;
  bool operator==(const Stamp&) const = default;
};

class ChangeCounters {
 public:
  ChangeCounters();

  // The writer thread only: before the commit, and after it whatever came of it.
  void touch_key(const Sha256& key_hash);
  void touch_watch(AccountId account, std::string_view canonical);
  void touch_endpoint(EndpointId id);
  void settle();
  // Somebody else wrote the store: whatever was read before counts as changed.
  void touch_everything();

  // The stamp of these rows as of now; nothing while one of them is being written.
  std::optional<Stamp> stamp(const Sha256& key_hash, AccountId account, std::string_view canonical,
                             EndpointId endpoint) const;
  bool unchanged(const Stamp& stamp) const;

 private:
  static constexpr std::size_t kCounters = 1 << 16;
  using Counter = std::atomic<std::uint32_t>;
  using Counters = std::array<Counter, kCounters>;
  struct All {
    Counters keys, watches, endpoints;
  };
  static std::uint16_t of_key(const Sha256& key_hash);
  static std::uint16_t of_watch(AccountId account, std::string_view canonical);
  static std::uint16_t of_endpoint(EndpointId id);
  void touch(Counter& counter);
  std::optional<std::uint32_t> sum(const Stamp& of) const;

  std::unique_ptr<All> all_;
  Counter everything_{0};
  std::vector<Counter*> touched_;  // odd ones
};

}  // namespace certline::store
