#pragma once
// Reads ASN.1 values: times as Unix seconds (years 0000 to 9999), names and serial numbers as
// printable ASCII of bounded length. All input may be hostile. Nothing throws.

#include <openssl/x509.h>

#include <string>
#include <string_view>

#include "protocol/error.hpp"
#include "protocol/values.hpp"

namespace certline::pki {

// Printable ASCII of at most `most` bytes, everything else as \xNN; cut with "..." where longer.
std::string printable(std::string_view bytes, std::size_t most);

// RFC 4514 text, e.g. "CN=example.org,O=Example"; empty for an empty name.
Result<std::string> name_text(const X509_NAME* name);

// Lower-case hex of the magnitude, "-" in front where negative, "00" for zero.
Result<std::string> serial_text(const ASN1_INTEGER* serial);

Result<UtcTime> unix_time(const ASN1_TIME* time);
bool has_certificate_form(const ASN1_TIME* time);  // RFC 5280 4.1.2.5: seconds given, ends in Z

}  // namespace certline::pki
