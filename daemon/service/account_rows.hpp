#pragma once
// Accounts, keys and dead letters as rows for administrators: read by the handlers and by
// `certlined admin`.

#include "daemon/runtime/config.hpp"
#include "protocol/request.hpp"
#include "store/store.hpp"

namespace certline::service {

// Errors: not_registered; conflict where several unconfirmed accounts wait for the address.
Result<AccountRecord> find_account(const store::ReadView& view, const AccountName& name);

AccountRow account_row(const store::ReadView& view, const AccountRecord& account,
                       const runtime::Config& config);
KeyRow key_row(const KeyTag& tag, const KeyRecord& key);
// Of a dead letter; its reason cut to one printable line.
DeadLetterRow dead_letter_row(const DeliveryRecord& delivery);

}  // namespace certline::service
