// Accounts, keys and dead letters as rows for people; the links that mails carry. An unsubscribe
// link must work years later without anything being kept for it, so it is signed instead of stored.
#include "daemon/accounts.hpp"

#include <charconv>

#include "daemon/message_json.hpp"
#include "pki/digest.hpp"

namespace certline::daemon {
namespace {

constexpr std::size_t kIdDigits = 16;
constexpr std::size_t kMacBytes = 16;
constexpr std::size_t kKeysAtOnce = 1000;

std::string id_text(AccountId account) {
  std::array<std::uint8_t, 8> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(account >> 8 * (bytes.size() - 1 - i));
  }
  return hex(bytes);
}

std::string mac_text(const store::ReadView& view, std::string_view id) {
  const Sha256 secret = view.secret();
  const std::string_view key(reinterpret_cast<const char*>(secret.data()), secret.size());
  return hex(pki::hmac_sha256(key, "unsubscribe" + std::string(id)).data(), kMacBytes);
}

}  // namespace

std::string unsubscribe_token(const store::ReadView& view, AccountId account) {
  const std::string id = id_text(account);
  return id + '-' + mac_text(view, id);
}

std::string unsubscribe_link(const Config& config, const store::ReadView& view, AccountId account) {
  return token_link(config, TokenPurpose::unsubscribe, unsubscribe_token(view, account));
}

std::optional<AccountId> unsubscribed_account(const store::ReadView& view, std::string_view token) {
  if (token.size() != kIdDigits + 1 + 2 * kMacBytes || token[kIdDigits] != '-') return std::nullopt;
  const std::string_view id = token.substr(0, kIdDigits);
  // Digests of both are compared, so that the time taken says nothing about the MAC.
  const bool right = pki::equal_constant_time(pki::sha256(token.substr(kIdDigits + 1)),
                                              pki::sha256(mac_text(view, id)));
  AccountId account = 0;
  std::from_chars(id.data(), id.data() + id.size(), account, 16);
  return right ? std::optional(account) : std::nullopt;
}

std::string token_link(const Config& config, TokenPurpose purpose, std::string_view token) {
  if (config.http.public_url.empty()) return {};
  return config.http.public_url + '/' + std::string(purpose_name(purpose)) + '/' +
         std::string(token);
}

bool can_get_mail(std::string_view address) {
  return !address.ends_with(".invalid");
}

Result<AccountRecord> find_account(const store::ReadView& view, const AccountName& name) {
  const Error unknown{ErrorKind::not_registered, "no such account; command accounts lists them"};
  std::optional<AccountId> id;
  if (const auto* const number = std::get_if<std::uint64_t>(&name)) {
    id = *number;
  } else {
    const std::string& email = std::get<Email>(name).text();
    id = view.account_by_email(email);
    if (!id) {
      const auto waiting = view.claims(email, 2);
      if (waiting.size() > 1) {
        return Error{ErrorKind::conflict,
                     "several accounts wait for this address to be confirmed; name one by number, "
                     "command accounts lists them"};
      }
      if (!waiting.empty()) id = waiting.front();
    }
  }
  if (!id || *id == kOperatorAccount) return unknown;  // the daemon's own is nobody's to change
  auto account = view.account(*id);
  return account ? Result<AccountRecord>(std::move(*account)) : unknown;
}

AccountRow account_row(const store::ReadView& view, const AccountRecord& account,
                       const Config& config) {
  AccountRow row;
  row.id = account.id;
  row.email = account.email;
  row.state = account.blocked_utc != 0    ? "blocked"
              : account.verified_utc != 0 ? "verified"
                                          : "unverified";
  row.quota = account.names_per_key != 0 ? account.names_per_key : config.accounts.names_per_key;
  row.created_utc = account.created_utc;
  KeyTag after{};
  for (auto keys = view.keys(account.id, after, kKeysAtOnce); !keys.empty();
       keys = view.keys(account.id, after, kKeysAtOnce)) {
    after = keys.back().first;
    row.keys += keys.size();
    for (const auto& [tag, key] : keys) row.names += key.names;
  }
  return row;
}

KeyRow key_row(const KeyTag& tag, const KeyRecord& key) {
  KeyRow row;
  row.key = tag;
  row.state = key.confirmed_utc != 0 ? "confirmed" : "unconfirmed";
  if (key.state == KeyState::revoked) row.state = "revoked";
  if (key.state == KeyState::blocked) row.state = "blocked";
  row.names = key.names;
  row.created_utc = key.created_utc;
  row.last_seen_utc = key.last_seen_utc;
  return row;
}

DeadLetterRow dead_letter_row(const DeliveryRecord& delivery) {
  const auto message = parse_message(delivery.message);
  return {delivery.id, delivery.channel,
          message ? std::string(event_name(message->event)) : std::string("unknown"),
          clean_text(delivery.last_error, false), delivery.created_utc};
}

}  // namespace certline::daemon
