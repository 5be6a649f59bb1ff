#pragma once
// The commands about keys.

#include "protocol/requests/row.hpp"

namespace certline {

inline constexpr std::array kKeyRows{
    row<NewKey, KeyCreated>({
        .name = "apikey",
        .summary = "makes a fresh random key",
        .data = "KEY",
        .example = "command apikey",
    }),
    row<ClaimKey, Claimed, take_email, take_optional_api_key>({
        .name = "claim",
        .arguments = "email address [apikey K]",
        .kind = Kind::write,
        .summary = "puts a key, or a fresh one, under an e-mail address",
        .data = "[KEY]",
        .example = "command claim email admin@example.org apikey K",
        .routes = {RouteRow{.path = "/api/v1.0/access/claim/{email}",
                            .errors = RestErrors::claim,
                            .summary = "makes a key and puts it under an e-mail address"},
                   RouteRow{.method = HttpMethod::post,
                            .path = "/api/v1.0/access/claim",
                            .fields = "email api_key",
                            .errors = RestErrors::claim,
                            .summary = "puts the client's key under an e-mail address"}},
        .errors = kFails<ErrorKind::registration_closed, ErrorKind::too_many, ErrorKind::conflict>,
    }),
};

}  // namespace certline
