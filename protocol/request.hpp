#pragma once
// Everything that may be asked and answered, the same for every wire. A wire parses into a Request
// and renders a Reply; the service in between knows neither lines nor HTTP. The requests themselves
// are in requests/, a header per family; command_table.hpp is next on the way.

#include "protocol/error.hpp"
#include "protocol/requests/account.hpp"
#include "protocol/requests/administration.hpp"
#include "protocol/requests/daemon.hpp"
#include "protocol/requests/keys.hpp"
#include "protocol/requests/mail.hpp"
#include "protocol/requests/names.hpp"
#include "protocol/requests/tokens.hpp"

namespace certline {

using Request = JoinedLists<KeyRequests, NameRequests, DaemonRequests, AccountRequests,
                            TokenRequests, MailRequests, AdministrationRequests>::Variant;
using ReplyBody = JoinedLists<KeyReplies, NameReplies, DaemonReplies, AccountReplies, TokenReplies,
                              MailReplies, AdministrationReplies>::Variant;
using Reply = Result<ReplyBody>;

// True for requests that change the store: they are acknowledged after a commit, and a connection
// may have several of them under way. Everything else waits for those to be answered first.
bool is_write(const Request& request);

// True for requests that only administrators may make.
bool needs_administrator(const Request& request);

// The key a request carries, for per-key limits; nullptr where it has none.
const ApiKey* key_of(const Request& request);

}  // namespace certline
