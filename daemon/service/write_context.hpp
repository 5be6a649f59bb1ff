#pragma once
// What every writing handler is given besides its request. A handler runs inside the write
// transaction, on the writer thread, perhaps several times: it decides from the view and its
// arguments alone. A handler that returns an error must have written nothing, because the
// transaction is committed all the same.

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/runtime/parts.hpp"
#include "daemon/runtime/settings.hpp"
#include "daemon/service/caller.hpp"
#include "daemon/service/keys.hpp"
#include "daemon/service/refusal_rows.hpp"
#include "daemon/service/refusals.hpp"
#include "protocol/request.hpp"

namespace certline::service {

// How long the name of an account that isn't verified is watched before a matching certificate has
// to have been seen.
inline constexpr UtcTime kTrial = kDay;
// How often a claim that is repeated has its mail repeated.
inline constexpr UtcTime kMailAgain = kDay;

// Random values of one job, the same whenever it is applied again.
class JobRandom {
 public:
  explicit JobRandom(const runtime::Entropy& entropy) : entropy_(entropy) {}
  void rewind() { count_ = 0; }
  Sha256 next();
  Uuid uuid();

 private:
  const runtime::Entropy& entropy_;
  std::string seed_;
  std::uint64_t count_ = 0;
};

// What every handler gets besides its request.
struct WriteContext {
  store::WriteView& view;
  const runtime::Parts& parts;
  const runtime::Settings& settings;
  const Caller& caller;
  UtcTime now;
  JobRandom& random;
  RefusalRow& refusal_row;
  std::string actor;  // for the audit
  bool due_changed = false;
};

struct Owner {
  Sha256 key_hash{};
  KeyRecord key;
  AccountRecord account;
};

// The audit. A refusal is written as far as the hour's rows reach.
void audit(WriteContext& context, std::string_view action, AccountId account, std::string subject);
Error refused(WriteContext& context, std::string_view action, AccountId account,
              std::string subject, Error why);

bool full_for_new_names(const WriteContext& context);
Error store_full(const WriteContext& context);

// Keys and accounts (claims.cpp).
// The owner of a key that is known here; a report of its client is noted. Nothing for an unknown
// one. Errors (key_unknown): revoked, blocked.
std::optional<Result<Owner>> known_owner(WriteContext& context, const ApiKey& key);
Result<Owner> owner_of(WriteContext& context, const ApiKey& key);  // errors: unknown, too
// Of an account by itself, as far as registration and its limits allow.
Result<Owner> create_owner(WriteContext& context, const ApiKey& key);
// Writes a key, and moves the alarm for its client's silence.
void put_key(store::WriteView& view, const KeyRecord& before, const KeyRecord& after);
void note_report_of(store::WriteView& view, KeyRecord& key, UtcTime now);
// All keys of an account in turn, also while visit() changes them.
template <class Visit>
void each_key(store::WriteView& view, AccountId account, Visit visit) {
  for (auto& [tag, key] : view.keys.of(account)) visit(tag, key);
}
// The names of `from` move to `into`, and `from` ends. A name that both watch stays as `into` has
// it.
void merge_accounts(WriteContext& context, AccountId from, AccountId into);
// A key that waits for its address to be confirmed is confirmed: its account becomes, or joins, the
// account of the address. Gives that account.
AccountRecord confirm_claim(WriteContext& context, KeyRecord key, const std::string& email);
void revoke_key(WriteContext& context, KeyRecord key);
void block_account(WriteContext& context, AccountRecord account);

// The mail that asks to confirm a claim (tokens.cpp).
void mail_confirmation(WriteContext& context, AccountId account, const Sha256& key_hash,
                       const std::string& email);

// Names (names.cpp).
// One more watch of the endpoint, which is made where there is none.
EndpointRecord attach_endpoint(WriteContext& context, const Domain& domain, Starttls starttls);
// Whoever begins to watch a name, or to be told of it, hears what is known of it already.
void adopt(WriteContext& context, AccountId account, const std::string& canonical,
           const WatchRecord& watch);
// One watch of the endpoint ends.
void detach_endpoint(WriteContext& context, const WatchRecord& watch);
void rest_watch(WriteContext& context, AccountId account, const std::string& canonical,
                WatchRecord watch);
// Scanned again from now on; `trial_until` 0: for good.
void wake_watch(WriteContext& context, AccountId account, const std::string& canonical,
                WatchRecord watch, UtcTime trial_until);
// The end of a trial begun now, 0 where the account needs none.
UtcTime trial_end(const WriteContext& context, const AccountRecord& account);
// One name less for the key that added it.
void give_back_name(store::WriteView& view, const Sha256& added_by);
// All watches of an account in turn, also while visit() changes them.
template <class Visit>
void each_watch(store::WriteView& view, AccountId account, Visit visit) {
  for (const auto& [canonical, watch] : view.watches.of(account)) visit(canonical, watch);
}

}  // namespace certline::service
