#pragma once
// The fields in a request's target and body, decoded once. Private to the REST routes.

#include <string>
#include <string_view>
#include <vector>

#include "protocol/error.hpp"

namespace certline::rest {

inline constexpr std::size_t kInputFields = 64;  // of a query, of a body

struct InputField {
  enum class Kind : std::uint8_t { text, null, other };  // other: a number, true, false
  std::string name, value;
  Kind kind = Kind::text;
};
using InputFields = std::vector<InputField>;

// RFC 3986 2.1. Errors (malformed): a % without two hex digits, %00.
Result<std::string> percent_decode(std::string_view text, bool plus_is_blank);

// application/x-www-form-urlencoded, also of a query. Errors (malformed): as above, a name twice,
// more than kInputFields.
Result<InputFields> parse_form(std::string_view text);

// The members of a JSON object. Errors: malformed (not JSON: RFC 8259, UTF-8, at most 32 deep),
// invalid_value (JSON, but no flat object, a name twice, or more than kInputFields).
Result<InputFields> parse_json_body(std::string_view body);

// A body by its content type; without one that says it, by its first byte.
Result<InputFields> parse_body(std::string_view content_type, std::string_view body);

// The base64 of the one certificate in a PEM text (RFC 7468), or of a text that is base64 alone.
// Errors (invalid_value): none, several, or something beside it.
Result<std::string> certificate_base64(std::string_view pem);

std::string_view trimmed(std::string_view text);  // without blanks and line ends around it

}  // namespace certline::rest
