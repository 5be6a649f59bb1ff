#pragma once
// API keys, by the first half of their hashes.

#include "store/rows.hpp"

namespace certline::store {

class Keys : public Family {
 public:
  using Family::Family;
  // Found by the first half of the hash; whoever authenticates compares the whole of `digest`.
  std::optional<KeyRecord> find(const Sha256& key_hash) const;
  std::optional<KeyRecord> by_tag(const KeyTag& tag) const;
  // By their tags, ascending after `after` (all zero: from the first).
  Range<std::pair<KeyTag, KeyRecord>> of(AccountId account, const KeyTag& after = {}) const;

  void put(const Sha256& key_hash, const KeyRecord& record);  // also the account's index
  void remove(const KeyTag& tag);
};

}  // namespace certline::store
