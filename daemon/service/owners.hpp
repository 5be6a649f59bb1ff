#pragma once
// Which account a key has, and what happens to both: made, merged, confirmed, revoked, blocked. For
// writing handlers.

#include <optional>
#include <string>

#include "daemon/service/keys.hpp"
#include "daemon/service/write_context.hpp"

namespace certline::service {

struct Owner {
  Sha256 key_hash{};
  KeyRecord key;
  AccountRecord account;
};

// The owner of a key that is known here; a report of its client is noted. Nothing for an unknown
// one. Errors (key_unknown): revoked, blocked.
std::optional<Result<Owner>> known_owner(WriteContext& context, const ApiKey& key);
Result<Owner> owner_of(WriteContext& context, const ApiKey& key);  // errors: unknown, too
// Of an account by itself, as far as registration and its limits allow.
Result<Owner> create_owner(WriteContext& context, const ApiKey& key);
// Writes a key, and moves the alarm for its client's silence.
void put_key(store::WriteView& view, const KeyRecord& before, const KeyRecord& after);
void note_report_of(store::WriteView& view, KeyRecord& key, UtcTime now);
// The names of `from` move to `into`, and `from` ends. A name that both watch stays as `into` has
// it.
void merge_accounts(WriteContext& context, AccountId from, AccountId into);
// A key that waits for its address to be confirmed is confirmed: its account becomes, or joins, the
// account of the address. Gives that account.
AccountRecord confirm_claim(WriteContext& context, KeyRecord key, const std::string& email);
void revoke_key(WriteContext& context, KeyRecord key);
void block_account(WriteContext& context, AccountRecord account);

// What those are made of. `no_new_account`: why this source may not make an account now.
std::optional<Error> no_new_account(const WriteContext& context);
AccountRecord create_account(WriteContext& context, const std::string& email,
                             const std::string& claimed);
KeyRecord create_key(WriteContext& context, const Sha256& hash, AccountId account);
Error registration_closed();

}  // namespace certline::service
