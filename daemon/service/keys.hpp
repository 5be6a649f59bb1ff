#pragma once
// Looks up keys and their accounts.

#include <string>

#include "inventory/records.hpp"
#include "protocol/error.hpp"
#include "store/store.hpp"

namespace certline::service {

// The record of the API key with this SHA-256, compared in constant time, whatever its state.
std::optional<KeyRecord> find_key(const store::ReadView& view, const Sha256& key_hash);
// The same if the key may be used. Errors (key_unknown): unknown here, revoked, blocked.
Result<KeyRecord> usable_key(const store::ReadView& view, const Sha256& key_hash);
// Of a key. Throws CorruptValue if the account is missing.
AccountRecord load_account(const store::ReadView& view, AccountId id);

KeyTag tag_of(const Sha256& key_hash);
std::string tag_text(const Sha256& key_hash);  // 32 hex digits, as `command keys` lists it

}  // namespace certline::service
