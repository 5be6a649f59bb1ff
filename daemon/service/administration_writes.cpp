// What administrators do to accounts and keys. Each change is one transaction and one row of the
// audit, which names the caller's uid.
#include <algorithm>
#include <limits>
#include <set>

#include "daemon/notices/incidents.hpp"
#include "daemon/service/account_rows.hpp"
#include "daemon/service/handlers.hpp"
#include "daemon/service/owners.hpp"
#include "daemon/service/watches.hpp"
#include "inventory/client_silence.hpp"
#include "pki/digest.hpp"

namespace certline::service {
namespace {

using store::WriteView;

Reply changed(std::string text) {
  return ReplyBody{Changed{std::move(text)}};
}

std::string named(const AccountRecord& account) {
  return "account " + std::to_string(account.id);
}

// Looks only: what lies under these keys, tags and addresses is removed afterwards.
struct AccountRows {
  AccountId account = 0;
  std::set<KeyTag> keys;
  std::set<std::string> emails;
};

void remove_names(WriteContext& context, AccountId account) {
  for (const auto& [canonical, watch] : context.view.watches.of(account)) {
    notices::release_watch(context.view, account, canonical, watch, context.now);
    context.view.watches.remove(account, canonical);
    detach_endpoint(context, watch);
  }
}

std::set<KeyTag> remove_keys(WriteContext& context, AccountId account) {
  std::set<KeyTag> tags;
  for (const auto& [tag, key] : context.view.keys.of(account)) {
    if (const auto at = silent_from(key)) {
      context.view.alarms.clear({*at, AlarmKind::silence, std::string(tag.begin(), tag.end())});
    }
    context.view.keys.remove(tag);
    tags.insert(tag);
  }
  return tags;
}

void remove_deliveries(WriteView& view, const AccountRows& of) {
  for (const DeliveryRecord& delivery : view.deliveries.all()) {
    if (delivery.account != of.account && !of.emails.contains(delivery.to)) continue;
    view.alarms.clear({delivery.next_utc, AlarmKind::deliver, alarm_about(delivery.id)});
    view.deliveries.remove(delivery.id);
  }
}

// Tokens have no index of their own: each has an alarm at its end, which names it.
void remove_alarms_and_tokens(WriteView& view, const AccountRows& of) {
  const std::string account = alarm_about(of.account);
  for (const Alarm& alarm : view.alarms.until(std::numeric_limits<UtcTime>::max())) {
    const bool own = alarm.kind == AlarmKind::tell || alarm.kind == AlarmKind::digest;
    if (own && alarm.about == account) view.alarms.clear(alarm);
    if (alarm.kind != AlarmKind::forget_token) continue;
    Sha256 hash{};
    KeyTag half{};
    if (alarm.about.size() != half.size()) continue;
    std::copy(alarm.about.begin(), alarm.about.end(), hash.begin());
    std::copy(alarm.about.begin(), alarm.about.end(), half.begin());
    const auto token = view.tokens.find(hash);
    if (!token || (!of.emails.contains(token->email) && !of.keys.contains(token->key))) continue;
    view.tokens.remove(half);
    view.alarms.clear(alarm);
  }
}

}  // namespace

Reply handle(WriteContext& context, const RevokeKey& request) {
  const auto key = context.view.keys.by_tag(request.key);
  if (!key) {
    return Error{ErrorKind::not_registered, "no such key; command keys lists an account's"};
  }
  if (key->state == KeyState::revoked) return changed("it was revoked before");
  revoke_key(context, *key);
  audit(context, "revoke", key->account, hex(request.key));
  return changed("revoked");
}

Reply handle(WriteContext& context, const VerifyAccount& request) {
  auto account = find_account(context.view, request.account);
  if (!account) return account.error();
  if (account->blocked_utc != 0) {
    return Error{ErrorKind::conflict, named(*account) + " is blocked; unblock it first"};
  }
  if (!account->claimed_email.empty()) {
    const auto target = context.view.accounts.by_email(account->claimed_email);
    if (target && load_account(context.view, *target).blocked_utc != 0) {
      return Error{ErrorKind::conflict, "the account of its address is blocked; unblock it first"};
    }
  }
  std::vector<KeyRecord> keys;
  for (const auto& [tag, key] : context.view.keys.of(account->id)) {
    if (key.state == KeyState::active && key.confirmed_utc == 0) keys.push_back(key);
  }
  if (!account->claimed_email.empty() && !keys.empty()) {
    const std::string email = account->claimed_email;
    account = confirm_claim(context, keys.front(), email);
    audit(context, "verify", account->id, email);
    return changed("verified; it is " + named(*account) + " now");
  }
  if (account->verified_utc == 0) account->verified_utc = context.now;
  context.view.accounts.put(*account);
  for (KeyRecord& key : keys) {
    key.confirmed_utc = context.now;
    context.view.keys.put(key.digest, key);
  }
  for (const auto& [canonical, watch] : context.view.watches.of(account->id)) {
    if (watch.resting || watch.trial_until_utc != 0) {
      wake_watch(context, account->id, canonical, watch, 0);
    }
  }
  audit(context, "verify", account->id, account->email);
  return changed("verified, with " + std::to_string(keys.size()) + " keys that were not confirmed");
}

Reply handle(WriteContext& context, const BlockAccount& request) {
  auto account = find_account(context.view, request.account);
  if (!account) return account.error();
  if (account->blocked_utc != 0) return changed("it was blocked before");
  block_account(context, *account);
  audit(context, "block", account->id, account->email);
  return changed("blocked; its keys fail and its names rest");
}

Reply handle(WriteContext& context, const UnblockAccount& request) {
  auto account = find_account(context.view, request.account);
  if (!account) return account.error();
  if (account->blocked_utc == 0 && !account->no_further_keys) {
    return changed("it was not blocked");
  }
  const bool was_blocked = account->blocked_utc != 0;
  account->blocked_utc = 0;
  account->no_further_keys = false;
  context.view.accounts.put(*account);
  if (was_blocked) {
    for (auto& [tag, key] : context.view.keys.of(account->id)) {
      if (key.state != KeyState::blocked) continue;
      const KeyRecord before = key;
      key.state = KeyState::active;
      put_key(context.view, before, key);
    }
    for (const auto& [canonical, watch] : context.view.watches.of(account->id)) {
      wake_watch(context, account->id, canonical, watch, trial_end(context, *account));
    }
  }
  audit(context, "unblock", account->id, account->email);
  return changed("unblocked");
}

Reply handle(WriteContext& context, const SetQuota& request) {
  auto account = find_account(context.view, request.account);
  if (!account) return account.error();
  account->names_per_key = request.names;
  context.view.accounts.put(*account);
  audit(context, "quota", account->id, std::to_string(request.names));
  return changed(request.names == 0 ? "as limits.names_per_key says"
                                    : std::to_string(request.names) + " names for each key");
}

Reply handle(WriteContext& context, const DeleteAccount& request) {
  const auto account = find_account(context.view, request.account);
  if (!account) return account.error();
  AccountRows all{account->id, {}, {}};
  for (const std::string& email : {account->email, account->claimed_email}) {
    if (!email.empty()) all.emails.insert(email);
  }
  remove_names(context, account->id);
  all.keys = remove_keys(context, account->id);
  notices::forget_incidents(context.view, account->id);
  remove_deliveries(context.view, all);
  remove_alarms_and_tokens(context.view, all);
  context.view.accounts.remove(account->id);
  audit(context, "delete", account->id, "");
  return changed("deleted with " + std::to_string(all.keys.size()) + " keys");
}

}  // namespace certline::service
