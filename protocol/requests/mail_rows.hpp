#pragma once
// The command that sets what is mailed.

#include "protocol/requests/row.hpp"

namespace certline {

inline constexpr std::array kMailRows{
    row<SetNotify, NotifyState, take_api_key, take_mail, take_digest>({
        .name = "notify",
        .arguments = "apikey K [mail on|off] [digest off|daily|weekly]",
        .kind = Kind::write,
        .summary = "sets and tells what is mailed to the key's account",
        .data = "mail on|off digest off|daily|weekly [address]",
        .example = "command notify apikey K digest weekly",
        .routes = {RouteRow{.path = "/api/v1.0/notify",
                            .errors = RestErrors::plain,
                            .summary = "tells what is mailed to the key's account"},
                   RouteRow{.method = HttpMethod::post,
                            .path = "/api/v1.0/notify",
                            .fields = "mail? digest?",
                            .errors = RestErrors::plain}},
    }),
};

}  // namespace certline
