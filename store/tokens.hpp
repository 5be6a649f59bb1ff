#pragma once
// Tokens of mails, by the first half of their hashes.

#include "inventory/notices.hpp"
#include "store/rows.hpp"

namespace certline::store {

class Tokens : public Family {
 public:
  using Family::Family;
  // Found by the first half of the hash; whoever redeems compares the whole of `digest`.
  std::optional<TokenRecord> find(const Sha256& token_hash) const;
  // By the first half of their hashes, ascending after `after` (all zero: from the first).
  Range<std::pair<KeyTag, TokenRecord>> all(const KeyTag& after = {}) const;

  void put(const Sha256& token_hash, const TokenRecord& record);
  void remove(const KeyTag& first_half);
};

}  // namespace certline::store
