#pragma once
// Watches and the endpoints that they share. For writing handlers.

#include <string>

#include "daemon/service/write_context.hpp"

namespace certline::service {

// How long the name of an account that isn't verified is watched before a matching certificate has
// to have been seen.
inline constexpr UtcTime kTrial = kDay;
// One more watch of the endpoint, which is made where there is none.
EndpointRecord attach_endpoint(WriteContext& context, const Domain& domain, Starttls starttls);
// Whoever begins to watch a name, or to be told of it, hears what is known of it already.
void adopt(WriteContext& context, AccountId account, const std::string& canonical,
           const WatchRecord& watch);
// One watch of the endpoint ends.
void detach_endpoint(WriteContext& context, const WatchRecord& watch);
void rest_watch(WriteContext& context, AccountId account, const std::string& canonical,
                WatchRecord watch);
// Scanned again from now on; `trial_until` 0: for good.
void wake_watch(WriteContext& context, AccountId account, const std::string& canonical,
                WatchRecord watch, UtcTime trial_until);
// The end of a trial begun now, 0 where the account needs none.
UtcTime trial_end(const WriteContext& context, const AccountRecord& account);
// One name less for the key that added it.
void give_back_name(store::WriteView& view, const Sha256& added_by);

}  // namespace certline::service
