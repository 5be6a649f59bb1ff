#pragma once
// Text as it stands in an HTML document, between tags or in a quoted attribute.

#include <string>
#include <string_view>

namespace certline {

// Control bytes but line ends and tabs become "?".
std::string html_text(std::string_view text);

}  // namespace certline
