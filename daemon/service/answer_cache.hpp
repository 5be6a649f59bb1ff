#pragma once
// Remembers what `command expiration` said of a name. As long as nothing about the name has
// changed, the next question needs no look into the store; store::Stamp tells whether an answer
// still holds. Bounded; grows with what is asked. Thread-safe.

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/values.hpp"
#include "store/change_counters.hpp"

namespace certline::service {

class AnswerCache {
 public:
  // An answer, as far as it doesn't depend on the time of day.
  struct Answer {
    UtcTime last_scan_utc = 0, next_scan_utc = 0, not_after_utc = 0, renewal_due_utc = 0;
    store::Stamp stamp;
    std::uint32_t rules = 0;  // the settings that read the domain's text
    std::uint32_t addresses = 0;
    std::string_view problem;                   // a text that lives as long as the program
    std::shared_ptr<const std::string> detail;  // null for none
    bool certificate_found = false, trusted = false;
    bool watched = true;    // otherwise the answer is that the name is not watched
    std::uint8_t hour = 0;  // in which it was kept, the last digits of it
  };

  // At most that many answers, some 190 bytes each, and kDetailBytes for their details; 0 keeps
  // none.
  static constexpr std::size_t kDetailBytes = 64u << 20;
  explicit AnswerCache(std::size_t most);

  // By the exact texts of a request: two that differ in a letter are two questions.
  std::optional<Answer> find(std::string_view domain, std::string_view key);
  // A pair too long to be kept is left out.
  void keep(std::string_view domain, std::string_view key, const Answer& answer);

 private:
  static constexpr std::size_t kTextBytes = 80;  // domain and key
  static constexpr std::size_t kShards = 16;
  static constexpr std::size_t kWays = 8;  // slots looked at for one question

  struct Slot {
    Answer answer;
    std::uint8_t domain_size, key_size;
    std::array<char, kTextBytes> text;
    std::string_view domain() const { return {text.data(), domain_size}; }
    std::string_view key() const { return {text.data() + domain_size, key_size}; }
  };
  struct Set {
    std::array<std::uint32_t, kWays> tags{};  // of the slots, part of their hash; 0: free
    std::array<Slot, kWays> slots;
  };
  struct alignas(64) Shard {
    std::mutex mutex;
    std::vector<Set> sets;
    std::size_t used = 0;          // slots
    std::size_t detail_bytes = 0;  // of all answers
  };

  static Set& set_of(Shard& shard, std::uint64_t hash);
  static std::size_t detail_bytes(const Answer& answer);
  static void place(Shard& shard, std::uint64_t hash, const Slot& slot);
  void grow(Shard& shard) const;

  const std::size_t sets_per_shard_;  // at most
  std::array<Shard, kShards> shards_;
};

}  // namespace certline::service
