#pragma once
// The command that takes a token from a mail. The pages behind the links in mails are in
// rest/pages.cpp.

#include "protocol/requests/row.hpp"

namespace certline {

inline constexpr std::array kTokenRows{
    row<ConfirmToken, Confirmed, take_token>({
        .name = "confirm",
        .arguments = "token T",
        .kind = Kind::write,
        .summary = "does what a token from a mail is for, once",
        .data = "purpose P",
        .example = "command confirm token 0123456789abcdef.0123456789abcdef0123456789abcdef",
        .routes = {RouteRow{.method = HttpMethod::post,
                            .path = "/api/v1.0/confirm",
                            .fields = "token",
                            .errors = RestErrors::plain}},
        .errors = kFails<ErrorKind::not_registered>,
    }),
};

}  // namespace certline
