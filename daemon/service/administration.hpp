#pragma once
// The pages that administrators ask for. Errors: not_registered, conflict (find_account()).

#include "daemon/runtime/config.hpp"
#include "protocol/request.hpp"
#include "store/store.hpp"

namespace certline::service {

Reply read_accounts(const store::ReadView& view, const ListAccounts& request,
                    const runtime::Config& config);
Reply read_keys(const store::ReadView& view, const ListKeys& request);
Reply read_dead_letters(const store::ReadView& view, const ListDeadLetters& request);

}  // namespace certline::service
