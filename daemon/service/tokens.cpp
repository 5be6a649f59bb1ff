// Tokens of mails: how they are made and what each of them does. A token works once, for a week,
// and is stored as a hash only. A wrong token and a used one differ in the text of the error alone.
// Each attempt with a wrong one is written to the audit.
#include <fmt/format.h>

#include <array>

#include "daemon/notices/incidents.hpp"
#include "daemon/notices/links.hpp"
#include "daemon/service/handlers.hpp"
#include "daemon/service/owners.hpp"
#include "daemon/service/refusals.hpp"
#include "daemon/service/tokens.hpp"
#include "pki/digest.hpp"
#include "protocol/utc_text.hpp"

namespace certline::service {
namespace {

using store::WriteView;

std::string create_token(WriteContext& context, TokenPurpose purpose, const std::string& email,
                         const KeyTag& key) {
  const Sha256 id = context.random.next(), secret = context.random.next();
  std::string token = hex(id.data(), 8) + '.' + hex(secret.data(), 16);
  TokenRecord record;
  record.purpose = purpose;
  record.email = email;
  record.key = key;
  record.created_utc = context.now;
  record.expires_utc = context.now + kTokenLifetime;
  const Sha256 hash = pki::sha256(token);
  const KeyTag half = tag_of(hash);
  context.view.tokens.put(hash, record);
  context.view.alarms.set(
      {record.expires_utc, AlarmKind::forget_token, std::string(half.begin(), half.end())});
  return token;
}

// What a token of a mail does, in the mail's words.
struct Offer {
  TokenPurpose purpose;
  std::string_view words;
};
constexpr std::array kFirstKey{
    Offer{TokenPurpose::confirm, "If that was you, confirm it within seven days:"},
    Offer{TokenPurpose::block_account,
          "If it was not, do nothing. To have this address blocked here, so that nobody can claim "
          "keys for it:"},
};
constexpr std::array kFurtherKey{
    Offer{TokenPurpose::confirm,
          "If that was you, confirm it within seven days. The key then sees and changes all names "
          "of your account:"},
    Offer{TokenPurpose::revoke, "If it was not, do nothing, or make that key worthless:"},
    Offer{TokenPurpose::block_keys,
          "To have further keys for this address refused, and those that wait revoked:"},
};

void append_offer(WriteContext& context, std::string& text, const Offer& offer,
                  const std::string& email, const KeyTag& key) {
  const std::string token = create_token(context, offer.purpose, email, key);
  const std::string link = notices::token_link(context.settings.config, offer.purpose, token);
  text += fmt::format("\n{}\n", offer.words);
  if (!link.empty()) text += "  " + link + '\n';
  text += "  command confirm token " + token + '\n';
}

Error unknown_token() {
  return {ErrorKind::not_registered,
          "this token is unknown here; copy it whole from the mail, or claim the key again for a "
          "new one"};
}

Result<void> redeem_confirm(WriteContext& context, const TokenRecord& token) {
  const auto key = context.view.keys.by_tag(token.key);
  if (!key || key->state != KeyState::active) {
    return Error{ErrorKind::not_registered,
                 "the key of this token was revoked or blocked; claim another one"};
  }
  const AccountRecord account = load_account(context.view, key->account);
  if (account.email != token.email && account.claimed_email != token.email) return unknown_token();
  if (const auto target = context.view.accounts.by_email(token.email);
      target && load_account(context.view, *target).blocked_utc != 0) {
    return Error{ErrorKind::not_registered,
                 "the address of this token is blocked here; ask the operator of this server"};
  }
  const AccountRecord confirmed = confirm_claim(context, *key, token.email);
  audit(context, "confirm", confirmed.id, hex(token.key));
  return {};
}

Result<void> redeem_revoke(WriteContext& context, const TokenRecord& token) {
  const auto key = context.view.keys.by_tag(token.key);
  if (!key) return unknown_token();
  if (key->state != KeyState::revoked) revoke_key(context, *key);
  audit(context, "revoke", key->account, hex(token.key));
  return {};
}

Result<void> redeem_block_keys(WriteContext& context, const TokenRecord& token) {
  const auto id = context.view.accounts.by_email(token.email);
  if (!id) return unknown_token();
  AccountRecord account = load_account(context.view, *id);
  account.no_further_keys = true;
  context.view.accounts.put(account);
  for (const AccountId waiting : context.view.accounts.claiming(token.email)) {
    const AccountRecord claim = load_account(context.view, waiting);
    for (const auto& [tag, key] : context.view.keys.of(claim.id)) {
      if (key.state != KeyState::active) continue;
      revoke_key(context, key);
      audit(context, "revoke", claim.id, hex(tag));
    }
  }
  audit(context, "block-keys", *id, token.email);
  return {};
}

// An account of the address itself is blocked, made where there is none: the keys that strangers
// claimed must not come to it when it is unblocked one day.
Result<void> redeem_block_account(WriteContext& context, const TokenRecord& token) {
  auto id = context.view.accounts.by_email(token.email);
  if (!id) {
    AccountRecord account;
    account.id = context.view.accounts.new_id();
    account.email = token.email;
    account.created_utc = context.now;
    context.view.accounts.put(account);
    id = account.id;
  }
  for (const AccountId waiting : context.view.accounts.claiming(token.email)) {
    const AccountRecord claim = load_account(context.view, waiting);
    if (claim.blocked_utc != 0) continue;
    block_account(context, claim);
    audit(context, "block", claim.id, token.email);
  }
  AccountRecord account = load_account(context.view, *id);
  if (account.blocked_utc == 0) block_account(context, std::move(account));
  audit(context, "block", *id, token.email);
  return {};
}

Result<void> redeem(WriteContext& context, const TokenRecord& token) {
  switch (token.purpose) {
    case TokenPurpose::confirm:
      return redeem_confirm(context, token);
    case TokenPurpose::revoke:
      return redeem_revoke(context, token);
    case TokenPurpose::block_keys:
      return redeem_block_keys(context, token);
    case TokenPurpose::block_account:
      return redeem_block_account(context, token);
    case TokenPurpose::unsubscribe:
      break;
  }
  return unknown_token();
}

Reply unsubscribe(WriteContext& context, const ConfirmToken& request) {
  const auto id = notices::unsubscribed_account(context.view, request.token.text());
  auto account = id ? context.view.accounts.find(*id) : std::nullopt;
  if (!account ||
      request.purpose.value_or(TokenPurpose::unsubscribe) != TokenPurpose::unsubscribe) {
    return refused(context, "refused-token", 0, "", unknown_token());
  }
  if (!account->mail_off) {
    account->mail_off = true;
    context.view.accounts.put(*account);
    audit(context, "unsubscribe", account->id, account->email);
  }
  return ReplyBody{Confirmed{TokenPurpose::unsubscribe}};
}

}  // namespace

void mail_confirmation(WriteContext& context, AccountId account, const Sha256& key_hash,
                       const std::string& email) {
  const bool further = context.view.accounts.by_email(email).has_value();
  Message message;
  message.id = runtime::uuid_text(context.random.uuid());
  message.event = message.about = EventKind::mail_confirmation;
  message.account = account;
  message.created_utc = context.now;
  message.title = further ? "Confirm a further key for your certificate watch"
                          : "Confirm your certificate watch";
  message.text = fmt::format("On {} somebody at {} claimed {} key of certline for {}.\n",
                             minute_text(context.now), context.caller.source.to_string(),
                             further ? "a further" : "a", email);
  const std::span<const Offer> offers =
      further ? std::span<const Offer>(kFurtherKey) : std::span<const Offer>(kFirstKey);
  for (const Offer& offer : offers) {
    append_offer(context, message.text, offer, email, tag_of(key_hash));
  }
  notices::put_delivery(context.view, runtime::kMailChannel, email, message, context.now);
}

Reply handle(WriteContext& context, const ConfirmToken& request) {
  const std::string& text = request.token.text();
  if (text.find('-') != text.npos) return unsubscribe(context, request);
  const Sha256 hash = pki::sha256(text);
  auto token = context.view.tokens.find(hash);
  const bool right = token && pki::equal_constant_time(token->digest, hash) &&
                     request.purpose.value_or(token->purpose) == token->purpose;
  if (!right) return refused(context, "refused-token", 0, "", unknown_token());
  const std::string subject(purpose_name(token->purpose));
  const auto refuse = [&](Error why) {
    const auto key = context.view.keys.by_tag(token->key);
    return refused(context, "refused-token", key ? key->account : 0, subject, std::move(why));
  };
  if (token->used_utc != 0) {
    return refuse({ErrorKind::not_registered,
                   "this token was used on " + minute_text(token->used_utc) + "; it works once"});
  }
  if (context.now >= token->expires_utc) {
    return refuse({ErrorKind::not_registered, "this token expired on " +
                                                  minute_text(token->expires_utc) +
                                                  "; claim the key again for a new one"});
  }
  if (const auto done = redeem(context, *token); !done) return refuse(done.error());
  token->used_utc = context.now;
  context.view.tokens.put(hash, *token);
  return ReplyBody{Confirmed{token->purpose}};
}

}  // namespace certline::service
