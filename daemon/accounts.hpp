#pragma once
// What is known of accounts and keys, for people and for links: read by the service, by
// `certlined admin` and by whoever writes mails.

#include <optional>
#include <string>
#include <string_view>

#include "daemon/config.hpp"
#include "protocol/request.hpp"
#include "store/store.hpp"

namespace certline::daemon {

// The link that stops mail to an account, and its token (`ID-MAC`), which is good for ever. The
// link is empty without http.public_url.
std::string unsubscribe_link(const Config& config, const store::ReadView& view, AccountId account);
std::string unsubscribe_token(const store::ReadView& view, AccountId account);
// The account that such a token names, where its MAC is right; compared in constant time.
std::optional<AccountId> unsubscribed_account(const store::ReadView& view, std::string_view token);

// Where a token that acts on POST is shown: "https://…/confirm/T"; empty without http.public_url.
std::string token_link(const Config& config, TokenPurpose purpose, std::string_view token);

// False for what never gets mail: an address below `invalid` (RFC 6761), as hooks make them up.
bool can_get_mail(std::string_view address);

// Errors: not_registered; conflict where several unconfirmed accounts wait for the address.
Result<AccountRecord> find_account(const store::ReadView& view, const AccountName& name);

AccountRow account_row(const store::ReadView& view, const AccountRecord& account,
                       const Config& config);
KeyRow key_row(const KeyTag& tag, const KeyRecord& key);
// Of a dead letter; its reason cut to one printable line.
DeadLetterRow dead_letter_row(const DeliveryRecord& delivery);

}  // namespace certline::daemon
