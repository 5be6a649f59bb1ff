// Keys and accounts: which account a key has, how a key is made, what a claim does. If addresses
// must be confirmed, a claimed key has an account of its own until then: it sees its own names
// only, and the reply does not tell whether the address has an account. The mail that asks for the
// confirmation is in tokens.cpp.
#include <algorithm>

#include "daemon/notices/incidents.hpp"
#include "daemon/notices/links.hpp"
#include "daemon/service/handlers.hpp"
#include "inventory/client_silence.hpp"
#include "pki/digest.hpp"
#include "protocol/source.hpp"

namespace certline::service {
namespace {

using store::WriteView;

Error closed() {
  return {ErrorKind::registration_closed,
          "new keys are not accepted here; ask the operator of this server for one"};
}

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

// Keys of the address that wait to be confirmed, counted up to `most`.
std::uint32_t unconfirmed_keys(WriteContext& context, const std::string& email,
                               std::uint32_t most) {
  std::uint32_t count = 0;
  const auto unconfirmed = [&](const KeyTag&, const KeyRecord& key) {
    count += key.state != KeyState::revoked && key.confirmed_utc == 0 ? 1 : 0;
  };
  for (const AccountId claim : context.view.accounts.claiming(email).first(most)) {
    each_key(context.view, claim, unconfirmed);
  }
  if (const auto account = context.view.accounts.by_email(email); account && count < most) {
    each_key(context.view, *account, unconfirmed);
  }
  return count;
}

// Why the address takes no further key.
std::optional<Error> closed_address(WriteContext& context, const std::string& email) {
  const auto id = context.view.accounts.by_email(email);
  if (id) {
    const AccountRecord account = load_account(context.view, *id);
    if (account.blocked_utc != 0) {
      return Error{ErrorKind::registration_closed,
                   "this address is blocked here; ask the operator of this server"};
    }
    if (account.no_further_keys) {
      return Error{ErrorKind::registration_closed,
                   "this address takes no further keys; use one that it has, or ask the operator "
                   "of this server"};
    }
  }
  const std::uint32_t most = context.settings.config.accounts.unconfirmed_keys;
  if (unconfirmed_keys(context, email, most) < most) return {};
  return Error{ErrorKind::too_many,
               std::to_string(most) +
                   " keys of this address are not confirmed, as many as limits.unconfirmed_keys "
                   "allows; confirm or revoke some first"};
}

// Without confirmation: the key joins the account of the address at once.
Result<ReplyBody> join(WriteContext& context, const Sha256& hash,
                       const std::optional<KeyRecord>& key, const std::string& email) {
  const auto target = context.view.accounts.by_email(email);
  if (!key) {
    if (!target) {
      if (auto error = no_new_account(context)) return *error;
    } else if (full_for_new_names(context)) {
      return store_full(context);
    }
    const AccountId id = target ? *target : create_account(context, email, "").id;
    create_key(context, hash, id);
    audit(context, "claim", id, email);
    return ReplyBody{Claimed{true, false, email, ""}};
  }
  if (target) {
    merge_accounts(context, key->account, *target);
  } else {
    AccountRecord account = load_account(context.view, key->account);
    account.email = email;
    account.claimed_email.clear();
    context.view.accounts.put(account);
  }
  audit(context, "claim", target.value_or(key->account), email);
  return ReplyBody{Claimed{true, false, email, ""}};
}

// With confirmation: the key waits in an account of its own.
Result<ReplyBody> stand_alone(WriteContext& context, const Sha256& hash,
                              const std::optional<KeyRecord>& key, const std::string& email) {
  AccountRecord account;
  if (!key) {
    if (auto error = no_new_account(context)) return *error;
    account = create_account(context, "", email);
    create_key(context, hash, account.id);
  } else {
    account = load_account(context.view, key->account);
  }
  account.claimed_email = email;
  account.mailed_utc = context.now;
  context.view.accounts.put(account);
  const bool mails = notices::can_get_mail(email);
  if (mails) mail_confirmation(context, account.id, hash, email);
  audit(context, "claim", account.id, email);
  return ReplyBody{Claimed{true, mails, email, ""}};
}

// The same claim again: where it waits for its confirmation the mail is repeated, seldom.
Reply claimed_before(WriteContext& context, const KeyRecord& key, AccountRecord account,
                     const std::string& email) {
  const bool waits = context.settings.config.verification == runtime::Verification::email &&
                     key.confirmed_utc == 0 && notices::can_get_mail(email);
  const UtcTime since = context.now - account.mailed_utc;
  const bool mails = waits && (since >= kMailAgain || since < 0);
  if (mails) {
    account.mailed_utc = context.now;
    context.view.accounts.put(account);
    mail_confirmation(context, account.id, key.digest, email);
  }
  return ReplyBody{Claimed{false, mails, email, ""}};
}

}  // namespace

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
  return closed();
}

void merge_accounts(WriteContext& context, AccountId from, AccountId into) {
  const bool settled = load_account(context.view, into).verified_utc != 0;
  each_watch(context.view, from, [&](const std::string& canonical, WatchRecord watch) {
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
  });
  each_key(context.view, from, [&](const KeyTag&, KeyRecord key) {
    key.account = into;
    context.view.keys.put(key.digest, key);
  });
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
    each_watch(context.view, account.id,
               [&](const std::string& canonical, const WatchRecord& watch) {
                 if (watch.resting || watch.trial_until_utc != 0) {
                   wake_watch(context, account.id, canonical, watch, 0);
                 } else {
                   adopt(context, account.id, canonical, watch);
                 }
               });
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
  each_watch(context.view, account.id, [&](const std::string& canonical, const WatchRecord& watch) {
    rest_watch(context, account.id, canonical, watch);
  });
}

void block_account(WriteContext& context, AccountRecord account) {
  account.blocked_utc = context.now;
  context.view.accounts.put(account);
  each_key(context.view, account.id, [&](const KeyTag&, KeyRecord key) {
    if (key.state != KeyState::active) return;
    const KeyRecord before = key;
    key.state = KeyState::blocked;
    put_key(context.view, before, key);
  });
  each_watch(context.view, account.id, [&](const std::string& canonical, const WatchRecord& watch) {
    rest_watch(context, account.id, canonical, watch);
  });
}

Reply handle(WriteContext& context, const ClaimKey& request) {
  // The same at each attempt, as the job's draws are.
  const Sha256 drawn = context.random.next();
  const std::string fresh = request.key ? std::string() : hex(drawn.data(), 16);
  const std::string& email = request.email.text();
  const Sha256 hash = pki::sha256(request.key ? request.key->text() : fresh);
  if (!request.key) context.actor = "key " + tag_text(hash);
  const bool confirms = context.settings.config.verification == runtime::Verification::email;
  const auto refuse = [&](AccountId account, Error why) {
    return Reply(refused(context, "refused-claim", account, email, std::move(why)));
  };

  auto key = find_key(context.view, hash);
  if (key && key->state != KeyState::active) {
    Error why = worthless_key(key->state);
    why.kind = ErrorKind::registration_closed;
    return refuse(key->account, std::move(why));
  }
  if (!key && context.settings.config.registration == runtime::Registration::closed)
    return closed();
  if (key) {
    note_report_of(context.view, *key, context.now);
    AccountRecord account = load_account(context.view, key->account);
    const bool waits = account.claimed_email == email;
    if (account.email == email || (waits && confirms)) {
      return claimed_before(context, *key, std::move(account), email);
    }
    if (!account.email.empty() || (!account.claimed_email.empty() && !waits)) {
      return refuse(account.id,
                    {ErrorKind::conflict,
                     "this key belongs to another account; make a new one with: command apikey"});
    }
  }
  if (auto error = closed_address(context, email)) return refuse(0, std::move(*error));
  auto done = confirms ? stand_alone(context, hash, key, email) : join(context, hash, key, email);
  if (!done) return refuse(0, done.error());
  std::get<Claimed>(*done).key = fresh;
  return std::move(*done);
}

Reply handle(WriteContext& context, const SetNotify& request) {
  auto owner = owner_of(context, request.key);
  if (!owner) return owner.error();
  AccountRecord& account = owner->account;
  const Digest configured = context.settings.config.notify.digest;
  if (request.mail || request.digest) {
    if (request.mail) account.mail_off = !*request.mail;
    if (request.digest) account.digest = *request.digest;
    context.view.accounts.put(account);
    if (account.digest.value_or(configured) != Digest::off) {
      // Whoever makes digests then finds out when the next one is due.
      context.view.alarms.set({context.now, AlarmKind::digest, alarm_about(account.id)});
    }
  }
  return ReplyBody{
      NotifyState{account.email, !account.mail_off, account.digest.value_or(configured)}};
}

}  // namespace certline::service
