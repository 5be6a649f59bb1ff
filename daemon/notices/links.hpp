#pragma once
// The links that mails carry, and which addresses get mail at all.

#include <optional>
#include <string>
#include <string_view>

#include "daemon/runtime/config.hpp"
#include "store/store.hpp"

namespace certline::notices {

// The link that stops mail to an account, and its token (`ID-MAC`), which is good for ever. The
// link is empty without http.public_url.
std::string unsubscribe_link(const runtime::Config& config, const store::ReadView& view,
                             AccountId account);
std::string unsubscribe_token(const store::ReadView& view, AccountId account);
// The account that such a token names, where its MAC is right; compared in constant time.
std::optional<AccountId> unsubscribed_account(const store::ReadView& view, std::string_view token);

// Where a token that acts on POST is shown: "https://…/confirm/T"; empty without http.public_url.
std::string token_link(const runtime::Config& config, TokenPurpose purpose, std::string_view token);

// False for what never gets mail: an address below `invalid` (RFC 6761), as hooks make them up.
bool can_get_mail(std::string_view address);

}  // namespace certline::notices
