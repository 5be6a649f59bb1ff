// What a claim does. If addresses must be confirmed, a claimed key has an account of its own until
// then: it sees its own names only, and the reply does not tell whether the address has an account.
// The mail that asks for the confirmation is in tokens.cpp, accounts and keys themselves are
// owners.cpp's.
#include <algorithm>

#include "daemon/notices/incidents.hpp"
#include "daemon/notices/links.hpp"
#include "daemon/service/handlers.hpp"
#include "daemon/service/owners.hpp"
#include "daemon/service/refusals.hpp"
#include "daemon/service/tokens.hpp"
#include "inventory/client_silence.hpp"
#include "pki/digest.hpp"
#include "protocol/source.hpp"

namespace certline::service {
namespace {

// How often a claim that is repeated has its mail repeated.
constexpr UtcTime kMailAgain = kDay;

using store::WriteView;

// Keys of the address that wait to be confirmed, counted up to `most`.
std::uint32_t unconfirmed_keys(WriteContext& context, const std::string& email,
                               std::uint32_t most) {
  std::uint32_t count = 0;
  const auto add_unconfirmed = [&](AccountId account) {
    for (const auto& [tag, key] : context.view.keys.of(account)) {
      count += key.state != KeyState::revoked && key.confirmed_utc == 0 ? 1 : 0;
    }
  };
  for (const AccountId claim : context.view.accounts.claiming(email).first(most)) {
    add_unconfirmed(claim);
  }
  if (const auto account = context.view.accounts.by_email(email); account && count < most) {
    add_unconfirmed(*account);
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
    return registration_closed();
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
