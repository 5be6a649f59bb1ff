#pragma once
// The mail that asks to confirm a claim, with its tokens.

#include <string>

#include "daemon/service/write_context.hpp"

namespace certline::service {

void mail_confirmation(WriteContext& context, AccountId account, const Sha256& key_hash,
                       const std::string& email);

}  // namespace certline::service
