// Tokens: the mail that carries them and what each of them does. They are stored only as hashes,
// are good for a week and once. A wrong one is told apart from a used one in its text alone, and is
// written down, so that whoever tries them is seen.
#include <fmt/format.h>

#include <array>

#include "daemon/notices/incidents.hpp"
#include "daemon/notices/links.hpp"
#include "daemon/service/handlers.hpp"
#include "pki/digest.hpp"
#include "protocol/utc_text.hpp"

namespace certline::service {
namespace {

using store::WriteView;

std::string create_token(WriteContext& scene, TokenPurpose purpose, const std::string& email,
                         const KeyTag& key) {
  const Sha256 id = scene.random.next(), secret = scene.random.next();
  std::string token = hex(id.data(), 8) + '.' + hex(secret.data(), 16);
  TokenRecord record;
  record.purpose = purpose;
  record.email = email;
  record.key = key;
  record.created_utc = scene.now;
  record.expires_utc = scene.now + kTokenLifetime;
  const Sha256 hash = pki::sha256(token);
  const KeyTag half = tag_of(hash);
  scene.view.tokens.put(hash, record);
  scene.view.alarms.set(
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

void append_offer(WriteContext& scene, std::string& text, const Offer& offer,
                  const std::string& email, const KeyTag& key) {
  const std::string token = create_token(scene, offer.purpose, email, key);
  const std::string link = notices::token_link(scene.settings.config, offer.purpose, token);
  text += fmt::format("\n{}\n", offer.words);
  if (!link.empty()) text += "  " + link + '\n';
  text += "  command confirm token " + token + '\n';
}

Error unknown_token() {
  return {ErrorKind::not_registered,
          "this token is unknown here; copy it whole from the mail, or claim the key again for a "
          "new one"};
}

Result<void> redeem_confirm(WriteContext& scene, const TokenRecord& token) {
  const auto key = scene.view.keys.by_tag(token.key);
  if (!key || key->state != KeyState::active) {
    return Error{ErrorKind::not_registered,
                 "the key of this token was revoked or blocked; claim another one"};
  }
  const AccountRecord account = load_account(scene.view, key->account);
  if (account.email != token.email && account.claimed_email != token.email) return unknown_token();
  if (const auto target = scene.view.accounts.by_email(token.email);
      target && load_account(scene.view, *target).blocked_utc != 0) {
    return Error{ErrorKind::not_registered,
                 "the address of this token is blocked here; ask the operator of this server"};
  }
  const AccountRecord confirmed = confirm_claim(scene, *key, token.email);
  audit(scene, "confirm", confirmed.id, hex(token.key));
  return {};
}

Result<void> redeem_revoke(WriteContext& scene, const TokenRecord& token) {
  const auto key = scene.view.keys.by_tag(token.key);
  if (!key) return unknown_token();
  if (key->state != KeyState::revoked) revoke_key(scene, *key);
  audit(scene, "revoke", key->account, hex(token.key));
  return {};
}

// All keys that stand alone and wait for the address.
template <class Visit>
void each_claim(WriteContext& scene, const std::string& email, Visit visit) {
  constexpr std::size_t kAll = 100'000;
  for (const AccountId id : scene.view.accounts.claiming(email).first(kAll))
    visit(load_account(scene.view, id));
}

Result<void> redeem_block_keys(WriteContext& scene, const TokenRecord& token) {
  const auto id = scene.view.accounts.by_email(token.email);
  if (!id) return unknown_token();
  AccountRecord account = load_account(scene.view, *id);
  account.no_further_keys = true;
  scene.view.accounts.put(account);
  each_claim(scene, token.email, [&](const AccountRecord& claim) {
    each_key(scene.view, claim.id, [&](const KeyTag& tag, const KeyRecord& key) {
      if (key.state != KeyState::active) return;
      revoke_key(scene, key);
      audit(scene, "revoke", claim.id, hex(tag));
    });
  });
  audit(scene, "block-keys", *id, token.email);
  return {};
}

// An account of the address itself is blocked, made where there is none: the keys that strangers
// claimed must not come to it when it is unblocked one day.
Result<void> redeem_block_account(WriteContext& scene, const TokenRecord& token) {
  auto id = scene.view.accounts.by_email(token.email);
  if (!id) {
    AccountRecord account;
    account.id = scene.view.accounts.new_id();
    account.email = token.email;
    account.created_utc = scene.now;
    scene.view.accounts.put(account);
    id = account.id;
  }
  each_claim(scene, token.email, [&](const AccountRecord& claim) {
    if (claim.blocked_utc != 0) return;
    block_account(scene, claim);
    audit(scene, "block", claim.id, token.email);
  });
  AccountRecord account = load_account(scene.view, *id);
  if (account.blocked_utc == 0) block_account(scene, std::move(account));
  audit(scene, "block", *id, token.email);
  return {};
}

Result<void> redeem(WriteContext& scene, const TokenRecord& token) {
  switch (token.purpose) {
    case TokenPurpose::confirm:
      return redeem_confirm(scene, token);
    case TokenPurpose::revoke:
      return redeem_revoke(scene, token);
    case TokenPurpose::block_keys:
      return redeem_block_keys(scene, token);
    case TokenPurpose::block_account:
      return redeem_block_account(scene, token);
    case TokenPurpose::unsubscribe:
      break;
  }
  return unknown_token();
}

Reply unsubscribe(WriteContext& scene, const ConfirmToken& request) {
  const auto id = notices::unsubscribed_account(scene.view, request.token.text());
  auto account = id ? scene.view.accounts.find(*id) : std::nullopt;
  if (!account ||
      request.purpose.value_or(TokenPurpose::unsubscribe) != TokenPurpose::unsubscribe) {
    return refused(scene, "refused-token", 0, "", unknown_token());
  }
  if (!account->mail_off) {
    account->mail_off = true;
    scene.view.accounts.put(*account);
    audit(scene, "unsubscribe", account->id, account->email);
  }
  return ReplyBody{Confirmed{TokenPurpose::unsubscribe}};
}

}  // namespace

void mail_confirmation(WriteContext& scene, AccountId account, const Sha256& key_hash,
                       const std::string& email) {
  const bool further = scene.view.accounts.by_email(email).has_value();
  Message message;
  message.id = runtime::uuid_text(scene.random.uuid());
  message.event = message.about = EventKind::mail_confirmation;
  message.account = account;
  message.created_utc = scene.now;
  message.title = further ? "Confirm a further key for your certificate watch"
                          : "Confirm your certificate watch";
  message.text = fmt::format("On {} somebody at {} claimed {} key of certline for {}.\n",
                             minute_text(scene.now), scene.caller.source.to_string(),
                             further ? "a further" : "a", email);
  const std::span<const Offer> offers =
      further ? std::span<const Offer>(kFurtherKey) : std::span<const Offer>(kFirstKey);
  for (const Offer& offer : offers) {
    append_offer(scene, message.text, offer, email, tag_of(key_hash));
  }
  notices::put_delivery(scene.view, runtime::kMailChannel, email, message, scene.now);
}

Reply handle(WriteContext& scene, const ConfirmToken& request) {
  const std::string& text = request.token.text();
  if (text.find('-') != text.npos) return unsubscribe(scene, request);
  const Sha256 hash = pki::sha256(text);
  auto token = scene.view.tokens.find(hash);
  const bool right = token && pki::equal_constant_time(token->digest, hash) &&
                     request.purpose.value_or(token->purpose) == token->purpose;
  if (!right) return refused(scene, "refused-token", 0, "", unknown_token());
  const std::string subject(purpose_name(token->purpose));
  const auto refuse = [&](Error why) {
    const auto key = scene.view.keys.by_tag(token->key);
    return refused(scene, "refused-token", key ? key->account : 0, subject, std::move(why));
  };
  if (token->used_utc != 0) {
    return refuse({ErrorKind::not_registered,
                   "this token was used on " + minute_text(token->used_utc) + "; it works once"});
  }
  if (scene.now >= token->expires_utc) {
    return refuse({ErrorKind::not_registered, "this token expired on " +
                                                  minute_text(token->expires_utc) +
                                                  "; claim the key again for a new one"});
  }
  if (const auto done = redeem(scene, *token); !done) return refuse(done.error());
  token->used_utc = scene.now;
  scene.view.tokens.put(hash, *token);
  return ReplyBody{Confirmed{token->purpose}};
}

}  // namespace certline::service
