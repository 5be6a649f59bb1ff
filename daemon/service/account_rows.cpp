// Puts a record into the words of the line protocol. administration_reads.cpp makes pages of these
// rows.
#include "daemon/service/account_rows.hpp"

#include "daemon/notices/message_json.hpp"

namespace certline::service {

Result<AccountRecord> find_account(const store::ReadView& view, const AccountName& name) {
  const Error unknown{ErrorKind::not_registered, "no such account; command accounts lists them"};
  std::optional<AccountId> id;
  if (const auto* const number = std::get_if<std::uint64_t>(&name)) {
    id = *number;
  } else {
    const std::string& email = std::get<Email>(name).text();
    id = view.accounts.by_email(email);
    if (!id) {
      const auto waiting = view.accounts.claiming(email).first(2);
      if (waiting.size() > 1) {
        return Error{ErrorKind::conflict,
                     "several accounts wait for this address to be confirmed; name one by number, "
                     "command accounts lists them"};
      }
      if (!waiting.empty()) id = waiting.front();
    }
  }
  if (!id || *id == kOperatorAccount) return unknown;  // the daemon's own is nobody's to change
  auto account = view.accounts.find(*id);
  return account ? Result<AccountRecord>(std::move(*account)) : unknown;
}

AccountRow account_row(const store::ReadView& view, const AccountRecord& account,
                       const runtime::Config& config) {
  AccountRow row;
  row.id = account.id;
  row.email = account.email;
  row.state = account.blocked_utc != 0    ? "blocked"
              : account.verified_utc != 0 ? "verified"
                                          : "unverified";
  row.quota = account.names_per_key != 0 ? account.names_per_key : config.accounts.names_per_key;
  row.created_utc = account.created_utc;
  for (const auto& [tag, key] : view.keys.of(account.id)) {
    ++row.keys;
    row.names += key.names;
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
  const auto message = notices::parse_message(delivery.message);
  return {delivery.id, delivery.channel,
          message ? std::string(event_name(message->event)) : std::string("unknown"),
          notices::clean_text(delivery.last_error, false), delivery.created_utc};
}

}  // namespace certline::service
