// A key is found by its hash, so the store gives nothing away that opens anything.
#include "daemon/service/keys.hpp"

#include <algorithm>

#include "daemon/service/refusals.hpp"
#include "pki/digest.hpp"

namespace certline::service {

std::optional<KeyRecord> find_key(const store::ReadView& view, const Sha256& key_hash) {
  auto key = view.keys.find(key_hash);
  if (key && !pki::equal_constant_time(key->digest, key_hash)) key.reset();
  return key;
}

Result<KeyRecord> usable_key(const store::ReadView& view, const Sha256& key_hash) {
  auto key = find_key(view, key_hash);
  if (!key) return unknown_key();
  if (key->state != KeyState::active) return worthless_key(key->state);
  return std::move(*key);
}

AccountRecord load_account(const store::ReadView& view, AccountId id) {
  auto account = view.accounts.find(id);
  if (!account) throw store::CorruptValue("a key without its account");
  return std::move(*account);
}

KeyTag tag_of(const Sha256& key_hash) {
  KeyTag tag{};
  std::copy_n(key_hash.begin(), tag.size(), tag.begin());
  return tag;
}

std::string tag_text(const Sha256& key_hash) {
  return hex(tag_of(key_hash));
}

}  // namespace certline::service
