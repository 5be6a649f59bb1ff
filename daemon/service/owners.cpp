// Keys and accounts: how they are made and what becomes of them. A claim decides which of this
// happens (claims.cpp), a token confirms it (tokens.cpp).
#include "daemon/service/owners.hpp"

#include "daemon/notices/incidents.hpp"
#include "daemon/service/refusals.hpp"
#include "daemon/service/watches.hpp"
#include "inventory/client_silence.hpp"
#include "pki/digest.hpp"
#include "protocol/source.hpp"

namespace certline::service {
namespace {

using store::WriteView;

bool accounts_limited(const WriteContext& context) {
  return !context.caller.administrator &&
         !is_exempt(context.caller.source, context.settings.config.rates);
}

// So many accounts of one source a day.
std::optional<Error> too_many_accounts(const WriteContext& context) {
  if (!accounts_limited(context)) return {};
  const runtime::Config& config = context.settings.config;
  const std::uint32_t most = config.accounts.new_accounts_per_source;
  const UtcTime day = context.now / kDay;
  if (context.view.accounts.opened(day, source_prefix(context.caller.source)) < most) return {};
  return Error{ErrorKind::registration_closed,
               std::to_string(most) +
                   " accounts were made from here today, as many as limits.new_accounts_per_source "
                   "allows; use a key that you have, or come back tomorrow",
               static_cast<std::uint32_t>((day + 1) * kDay - context.now)};
}

}  // namespace

Error registration_closed() {
  return {ErrorKind::registration_closed,
          "new keys are not accepted here; ask the operator of this server for one"};
}

std::optional<Error> no_new_account(const WriteContext& context) {
  if (auto error = too_many_accounts(context)) return error;
  if (full_for_new_names(context)) return store_full(context);
  return {};
}

AccountRecord create_account(WriteContext& context, const std::string& email,
                             const std::string& claimed) {
  AccountRecord account;
  account.id = context.view.accounts.new_id();
  account.email = email;
  account.claimed_email = claimed;
  account.created_utc = context.now;
  context.view.accounts.put(account);
  if (accounts_limited(context)) {
    context.view.accounts.count_opened(context.now / kDay, source_prefix(context.caller.source));
  }
  audit(context, "new-account", account.id, email.empty() ? claimed : email);
  return account;
}

KeyRecord create_key(WriteContext& context, const Sha256& hash, AccountId account) {
  KeyRecord key;
  key.account = account;
  key.created_utc = context.now;
  key.digest = hash;
  key.source = context.caller.source;
  note_report(key, context.now);
  put_key(context.view, KeyRecord{}, key);
  audit(context, "new-key", account, tag_text(hash));
  return key;
}

void put_key(WriteView& view, const KeyRecord& before, const KeyRecord& after) {
  const auto alarm = [&](UtcTime at) {
    const KeyTag tag = tag_of(after.digest);
    return Alarm{at, AlarmKind::silence, std::string(tag.begin(), tag.end())};
  };
  const auto old_alarm = silent_from(before), new_alarm = silent_from(after);
  if (old_alarm && old_alarm != new_alarm) view.alarms.clear(alarm(*old_alarm));
  if (new_alarm && old_alarm != new_alarm) view.alarms.set(alarm(*new_alarm));
  view.keys.put(after.digest, after);
}

void note_report_of(WriteView& view, KeyRecord& key, UtcTime now) {
  if (key.state != KeyState::active || !is_report(key, now)) return;
  const KeyRecord before = key;
  notices::end_silence(view, tag_of(key.digest), key, now);
  note_report(key, now);
  put_key(view, before, key);
}

std::optional<Result<Owner>> known_owner(WriteContext& context, const ApiKey& api_key) {
  const Sha256 hash = pki::sha256(api_key.text());
  auto key = find_key(context.view, hash);
  if (!key) return std::nullopt;
  if (key->state != KeyState::active) return Result<Owner>(worthless_key(key->state));
  note_report_of(context.view, *key, context.now);
  return Result<Owner>(Owner{hash, *key, load_account(context.view, key->account)});
}

Result<Owner> owner_of(WriteContext& context, const ApiKey& api_key) {
  auto known = known_owner(context, api_key);
  return known ? std::move(*known) : Result<Owner>(unknown_key());
}

Result<Owner> create_owner(WriteContext& context, const ApiKey& api_key) {
  switch (context.settings.config.registration) {
    case runtime::Registration::open: {
      if (auto error = no_new_account(context)) return *error;
      const Sha256 hash = pki::sha256(api_key.text());
      AccountRecord account = create_account(context, "", "");
      KeyRecord key = create_key(context, hash, account.id);
      return Owner{hash, std::move(key), std::move(account)};
    }
    case runtime::Registration::claim:
      return Error{ErrorKind::key_unknown, "claim this key first: command claim email E apikey K"};
    case runtime::Registration::closed:
      break;
  }
  return registration_closed();
}

void merge_accounts(WriteContext& context, AccountId from, AccountId into) {
  const bool settled = load_account(context.view, into).verified_utc != 0;
  for (auto& [canonical, watch] : context.view.watches.of(from)) {
    notices::release_watch(context.view, from, canonical, watch, context.now);
    watch.expected_told = false;
    context.view.watches.remove(from, canonical);
    if (context.view.watches.find(into, canonical)) {
      detach_endpoint(context, watch);
      give_back_name(context.view, watch.added_by);
    } else if (settled) {
      wake_watch(context, into, canonical, watch, 0);
    } else {
      context.view.watches.put(into, canonical, watch);
      adopt(context, into, canonical, watch);
    }
  }
  for (auto& [tag, key] : context.view.keys.of(from)) {
    key.account = into;
    context.view.keys.put(key.digest, key);
  }
  notices::forget_incidents(context.view, from);
  context.view.accounts.remove(from);
}

AccountRecord confirm_claim(WriteContext& context, KeyRecord key, const std::string& email) {
  AccountRecord account = load_account(context.view, key.account);
  const auto target = context.view.accounts.by_email(email);
  const bool first = !target || load_account(context.view, *target).verified_utc == 0;
  if (target && *target != account.id) {
    const AccountId from = account.id;
    account = load_account(context.view, *target);
    if (account.verified_utc == 0) account.verified_utc = context.now;
    context.view.accounts.put(account);
    merge_accounts(context, from, account.id);
    key = find_key(context.view, key.digest).value();
  } else {
    account.email = email;
    account.claimed_email.clear();
    if (account.verified_utc == 0) account.verified_utc = context.now;
    context.view.accounts.put(account);
  }
  if (first) {
    for (const auto& [canonical, watch] : context.view.watches.of(account.id)) {
      if (watch.resting || watch.trial_until_utc != 0) {
        wake_watch(context, account.id, canonical, watch, 0);
      } else {
        adopt(context, account.id, canonical, watch);
      }
    }
  }
  key.confirmed_utc = context.now;
  context.view.keys.put(key.digest, key);
  return account;
}

void revoke_key(WriteContext& context, KeyRecord key) {
  const KeyRecord before = key;
  key.state = KeyState::revoked;
  put_key(context.view, before, key);
  AccountRecord account = load_account(context.view, key.account);
  if (!account.email.empty()) return;
  // It was the account's only key: nobody is left to ask for its names, or to be told of them.
  account.claimed_email.clear();
  context.view.accounts.put(account);
  for (const auto& [canonical, watch] : context.view.watches.of(account.id)) {
    rest_watch(context, account.id, canonical, watch);
  }
}

void block_account(WriteContext& context, AccountRecord account) {
  account.blocked_utc = context.now;
  context.view.accounts.put(account);
  for (auto& [tag, key] : context.view.keys.of(account.id)) {
    if (key.state != KeyState::active) continue;
    const KeyRecord before = key;
    key.state = KeyState::blocked;
    put_key(context.view, before, key);
  }
  for (const auto& [canonical, watch] : context.view.watches.of(account.id)) {
    rest_watch(context, account.id, canonical, watch);
  }
}

}  // namespace certline::service
