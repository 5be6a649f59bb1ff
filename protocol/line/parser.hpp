#pragma once
// A line of text to a Request.

#include <optional>
#include <string_view>

#include "protocol/command_table.hpp"

namespace certline::line {

// One request line without its line end → Request. Errors: malformed, invalid_value, refused.
Result<Request> parse_line(std::string_view line, const DomainRules& rules);

// The texts of a line that is exactly "command expiration domain D apikey K", as most are. Only the
// blanks are checked: a cache may keep an answer under the same two texts.
struct PlainExpiration {
  std::string_view domain, key;
};
std::optional<PlainExpiration> plain_expiration(std::string_view line);

}  // namespace certline::line
