#pragma once
// Does a certificate cover a name or address? By subjectAltName only (RFC 9525 6.3), as browsers
// do: the common name never counts, and a wildcard is a whole leftmost label.

#include <optional>
#include <string>

#include "pki/certificate.hpp"
#include "protocol/ip_address.hpp"

namespace certline::pki {

bool covers_host(const Certificate& certificate, const std::string& host);
bool covers_address(const Certificate& certificate, const IpAddress& address);
bool has_alternative_names(const Certificate& certificate);

}  // namespace certline::pki
