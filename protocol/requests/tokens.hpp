#pragma once
// Tokens from mails: each does one thing, once.

#include <optional>

#include "protocol/account_values.hpp"
#include "protocol/requests/type_list.hpp"

namespace certline {

struct ConfirmToken {
  Token token;
  std::optional<TokenPurpose> purpose = {};  // absent: whatever the token is for
};

struct Confirmed {
  TokenPurpose purpose = TokenPurpose::confirm;
};

using TokenRequests = TypeList<ConfirmToken>;
using TokenReplies = TypeList<Confirmed>;

}  // namespace certline
