#pragma once
// The commands about the account behind a key.

#include "protocol/requests/row.hpp"

namespace certline {

inline constexpr std::array kAccountRows{
    row<GetUser, UserName, take_api_key>({
        .name = "user",
        .arguments = "apikey K",
        .summary = "tells the e-mail address that a key was claimed for",
        .data = "[address]",
        .example = "command user apikey K",
        .routes = {RouteRow{.path = "/api/v1.0/user", .errors = RestErrors::plain}},
    }),
    row<AddCertificate, CertificateAdded, take_api_key, take_der>({
        .name = "certificate",
        .arguments = "der base64 apikey K",
        .kind = Kind::write,
        .summary = "watches each name of a certificate, and expects it to be served there",
        .data = "id UUID key MD5 names N",
        .example = "command certificate der MIIB... apikey K",
        .routes = {RouteRow{.method = HttpMethod::post,
                            .path = "/api/v1.0/certificate/add",
                            .fields = "certificate",
                            .errors = RestErrors::certificate}},
        .errors = kFails<ErrorKind::conflict, ErrorKind::too_many, ErrorKind::store_full>,
    }),
};

}  // namespace certline
