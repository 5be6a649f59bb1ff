// Keys and accounts: who owns a key, how one comes to be, what a claim does. Where addresses have
// to be confirmed, a claimed key stands alone in an account of its own until then: it sees nothing
// but its own names, and its answer doesn't tell whether the address has an account.
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

bool accounts_limited(const WriteContext& scene) {
  return !scene.caller.administrator &&
         !is_exempt(scene.caller.source, scene.settings.config.rates);
}

// So many accounts of one source a day.
std::optional<Error> too_many_accounts(const WriteContext& scene) {
  if (!accounts_limited(scene)) return {};
  const runtime::Config& config = scene.settings.config;
  const std::uint32_t most = config.accounts.new_accounts_per_source;
  const UtcTime day = scene.now / kDay;
  if (scene.view.accounts.opened(day, source_prefix(scene.caller.source)) < most) return {};
  return Error{ErrorKind::registration_closed,
               std::to_string(most) +
                   " accounts were made from here today, as many as limits.new_accounts_per_source "
                   "allows; use a key that you have, or come back tomorrow",
               static_cast<std::uint32_t>((day + 1) * kDay - scene.now)};
}

std::optional<Error> no_new_account(const WriteContext& scene) {
  if (auto error = too_many_accounts(scene)) return error;
  if (full_for_new_names(scene)) return store_full(scene);
  return {};
}

AccountRecord create_account(WriteContext& scene, const std::string& email,
                             const std::string& claimed) {
  AccountRecord account;
  account.id = scene.view.accounts.new_id();
  account.email = email;
  account.claimed_email = claimed;
  account.created_utc = scene.now;
  scene.view.accounts.put(account);
  if (accounts_limited(scene)) {
    scene.view.accounts.count_opened(scene.now / kDay, source_prefix(scene.caller.source));
  }
  audit(scene, "new-account", account.id, email.empty() ? claimed : email);
  return account;
}

KeyRecord create_key(WriteContext& scene, const Sha256& hash, AccountId account) {
  KeyRecord key;
  key.account = account;
  key.created_utc = scene.now;
  key.digest = hash;
  key.source = scene.caller.source;
  note_report(key, scene.now);
  put_key(scene.view, KeyRecord{}, key);
  audit(scene, "new-key", account, tag_text(hash));
  return key;
}

// Keys of the address that wait to be confirmed, counted up to `most`.
std::uint32_t unconfirmed_keys(WriteContext& scene, const std::string& email, std::uint32_t most) {
  std::uint32_t count = 0;
  const auto unconfirmed = [&](const KeyTag&, const KeyRecord& key) {
    count += key.state != KeyState::revoked && key.confirmed_utc == 0 ? 1 : 0;
  };
  for (const AccountId claim : scene.view.accounts.claiming(email).first(most)) {
    each_key(scene.view, claim, unconfirmed);
  }
  if (const auto account = scene.view.accounts.by_email(email); account && count < most) {
    each_key(scene.view, *account, unconfirmed);
  }
  return count;
}

// Why the address takes no further key.
std::optional<Error> closed_address(WriteContext& scene, const std::string& email) {
  const auto id = scene.view.accounts.by_email(email);
  if (id) {
    const AccountRecord account = load_account(scene.view, *id);
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
  const std::uint32_t most = scene.settings.config.accounts.unconfirmed_keys;
  if (unconfirmed_keys(scene, email, most) < most) return {};
  return Error{ErrorKind::too_many,
               std::to_string(most) +
                   " keys of this address are not confirmed, as many as limits.unconfirmed_keys "
                   "allows; confirm or revoke some first"};
}

// Without confirmation: the key joins the account of the address at once.
Result<ReplyBody> join(WriteContext& scene, const Sha256& hash, const std::optional<KeyRecord>& key,
                       const std::string& email) {
  const auto target = scene.view.accounts.by_email(email);
  if (!key) {
    if (!target) {
      if (auto error = no_new_account(scene)) return *error;
    } else if (full_for_new_names(scene)) {
      return store_full(scene);
    }
    const AccountId id = target ? *target : create_account(scene, email, "").id;
    create_key(scene, hash, id);
    audit(scene, "claim", id, email);
    return ReplyBody{Claimed{true, false, email, ""}};
  }
  if (target) {
    merge_accounts(scene, key->account, *target);
  } else {
    AccountRecord account = load_account(scene.view, key->account);
    account.email = email;
    account.claimed_email.clear();
    scene.view.accounts.put(account);
  }
  audit(scene, "claim", target.value_or(key->account), email);
  return ReplyBody{Claimed{true, false, email, ""}};
}

// With confirmation: the key waits in an account of its own.
Result<ReplyBody> stand_alone(WriteContext& scene, const Sha256& hash,
                              const std::optional<KeyRecord>& key, const std::string& email) {
  AccountRecord account;
  if (!key) {
    if (auto error = no_new_account(scene)) return *error;
    account = create_account(scene, "", email);
    create_key(scene, hash, account.id);
  } else {
    account = load_account(scene.view, key->account);
  }
  account.claimed_email = email;
  account.mailed_utc = scene.now;
  scene.view.accounts.put(account);
  const bool mails = notices::can_get_mail(email);
  if (mails) mail_confirmation(scene, account.id, hash, email);
  audit(scene, "claim", account.id, email);
  return ReplyBody{Claimed{true, mails, email, ""}};
}

// The same claim again: where it waits for its confirmation the mail is repeated, seldom.
Reply claimed_before(WriteContext& scene, const KeyRecord& key, AccountRecord account,
                     const std::string& email) {
  const bool waits = scene.settings.config.verification == runtime::Verification::email &&
                     key.confirmed_utc == 0 && notices::can_get_mail(email);
  const UtcTime since = scene.now - account.mailed_utc;
  const bool mails = waits && (since >= kMailAgain || since < 0);
  if (mails) {
    account.mailed_utc = scene.now;
    scene.view.accounts.put(account);
    mail_confirmation(scene, account.id, key.digest, email);
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

std::optional<Result<Owner>> known_owner(WriteContext& scene, const ApiKey& api_key) {
  const Sha256 hash = pki::sha256(api_key.text());
  auto key = find_key(scene.view, hash);
  if (!key) return std::nullopt;
  if (key->state != KeyState::active) return Result<Owner>(worthless_key(key->state));
  note_report_of(scene.view, *key, scene.now);
  return Result<Owner>(Owner{hash, *key, load_account(scene.view, key->account)});
}

Result<Owner> owner_of(WriteContext& scene, const ApiKey& api_key) {
  auto known = known_owner(scene, api_key);
  return known ? std::move(*known) : Result<Owner>(unknown_key());
}

Result<Owner> create_owner(WriteContext& scene, const ApiKey& api_key) {
  switch (scene.settings.config.registration) {
    case runtime::Registration::open: {
      if (auto error = no_new_account(scene)) return *error;
      const Sha256 hash = pki::sha256(api_key.text());
      AccountRecord account = create_account(scene, "", "");
      KeyRecord key = create_key(scene, hash, account.id);
      return Owner{hash, std::move(key), std::move(account)};
    }
    case runtime::Registration::claim:
      return Error{ErrorKind::key_unknown, "claim this key first: command claim email E apikey K"};
    case runtime::Registration::closed:
      break;
  }
  return closed();
}

void merge_accounts(WriteContext& scene, AccountId from, AccountId into) {
  const bool settled = load_account(scene.view, into).verified_utc != 0;
  each_watch(scene.view, from, [&](const std::string& canonical, WatchRecord watch) {
    notices::release_watch(scene.view, from, canonical, watch, scene.now);
    watch.expected_told = false;
    scene.view.watches.remove(from, canonical);
    if (scene.view.watches.find(into, canonical)) {
      detach_endpoint(scene, watch);
      give_back_name(scene.view, watch.added_by);
    } else if (settled) {
      wake_watch(scene, into, canonical, watch, 0);
    } else {
      scene.view.watches.put(into, canonical, watch);
      adopt(scene, into, canonical, watch);
    }
  });
  each_key(scene.view, from, [&](const KeyTag&, KeyRecord key) {
    key.account = into;
    scene.view.keys.put(key.digest, key);
  });
  notices::forget_incidents(scene.view, from);
  scene.view.accounts.remove(from);
}

AccountRecord confirm_claim(WriteContext& scene, KeyRecord key, const std::string& email) {
  AccountRecord account = load_account(scene.view, key.account);
  const auto target = scene.view.accounts.by_email(email);
  const bool first = !target || load_account(scene.view, *target).verified_utc == 0;
  if (target && *target != account.id) {
    const AccountId from = account.id;
    account = load_account(scene.view, *target);
    if (account.verified_utc == 0) account.verified_utc = scene.now;
    scene.view.accounts.put(account);
    merge_accounts(scene, from, account.id);
    key = find_key(scene.view, key.digest).value();
  } else {
    account.email = email;
    account.claimed_email.clear();
    if (account.verified_utc == 0) account.verified_utc = scene.now;
    scene.view.accounts.put(account);
  }
  if (first) {
    each_watch(scene.view, account.id, [&](const std::string& canonical, const WatchRecord& watch) {
      if (watch.resting || watch.trial_until_utc != 0) {
        wake_watch(scene, account.id, canonical, watch, 0);
      } else {
        adopt(scene, account.id, canonical, watch);
      }
    });
  }
  key.confirmed_utc = scene.now;
  scene.view.keys.put(key.digest, key);
  return account;
}

void revoke_key(WriteContext& scene, KeyRecord key) {
  const KeyRecord before = key;
  key.state = KeyState::revoked;
  put_key(scene.view, before, key);
  AccountRecord account = load_account(scene.view, key.account);
  if (!account.email.empty()) return;
  // It was the account's only key: nobody is left to ask for its names, or to be told of them.
  account.claimed_email.clear();
  scene.view.accounts.put(account);
  each_watch(scene.view, account.id, [&](const std::string& canonical, const WatchRecord& watch) {
    rest_watch(scene, account.id, canonical, watch);
  });
}

void block_account(WriteContext& scene, AccountRecord account) {
  account.blocked_utc = scene.now;
  scene.view.accounts.put(account);
  each_key(scene.view, account.id, [&](const KeyTag&, KeyRecord key) {
    if (key.state != KeyState::active) return;
    const KeyRecord before = key;
    key.state = KeyState::blocked;
    put_key(scene.view, before, key);
  });
  each_watch(scene.view, account.id, [&](const std::string& canonical, const WatchRecord& watch) {
    rest_watch(scene, account.id, canonical, watch);
  });
}

Reply handle(WriteContext& scene, const ClaimKey& request) {
  // The same at each attempt, as the job's draws are.
  const Sha256 drawn = scene.random.next();
  const std::string fresh = request.key ? std::string() : hex(drawn.data(), 16);
  const std::string& email = request.email.text();
  const Sha256 hash = pki::sha256(request.key ? request.key->text() : fresh);
  if (!request.key) scene.actor = "key " + tag_text(hash);
  const bool confirms = scene.settings.config.verification == runtime::Verification::email;
  const auto refuse = [&](AccountId account, Error why) {
    return Reply(refused(scene, "refused-claim", account, email, std::move(why)));
  };

  auto key = find_key(scene.view, hash);
  if (key && key->state != KeyState::active) {
    Error why = worthless_key(key->state);
    why.kind = ErrorKind::registration_closed;
    return refuse(key->account, std::move(why));
  }
  if (!key && scene.settings.config.registration == runtime::Registration::closed) return closed();
  if (key) {
    note_report_of(scene.view, *key, scene.now);
    AccountRecord account = load_account(scene.view, key->account);
    const bool waits = account.claimed_email == email;
    if (account.email == email || (waits && confirms)) {
      return claimed_before(scene, *key, std::move(account), email);
    }
    if (!account.email.empty() || (!account.claimed_email.empty() && !waits)) {
      return refuse(account.id,
                    {ErrorKind::conflict,
                     "this key belongs to another account; make a new one with: command apikey"});
    }
  }
  if (auto error = closed_address(scene, email)) return refuse(0, std::move(*error));
  auto done = confirms ? stand_alone(scene, hash, key, email) : join(scene, hash, key, email);
  if (!done) return refuse(0, done.error());
  std::get<Claimed>(*done).key = fresh;
  return std::move(*done);
}

Reply handle(WriteContext& scene, const SetNotify& request) {
  auto owner = owner_of(scene, request.key);
  if (!owner) return owner.error();
  AccountRecord& account = owner->account;
  const Digest configured = scene.settings.config.notify.digest;
  if (request.mail || request.digest) {
    if (request.mail) account.mail_off = !*request.mail;
    if (request.digest) account.digest = *request.digest;
    scene.view.accounts.put(account);
    if (account.digest.value_or(configured) != Digest::off) {
      // Whoever makes digests then finds out when the next one is due.
      scene.view.alarms.set({scene.now, AlarmKind::digest, alarm_about(account.id)});
    }
  }
  return ReplyBody{
      NotifyState{account.email, !account.mail_off, account.digest.value_or(configured)}};
}

}  // namespace certline::service
