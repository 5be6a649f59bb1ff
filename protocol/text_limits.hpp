#pragma once
// Texts of strangers, cut to a size without half a character at the end. Pure.

#include <cstddef>
#include <string>
#include <string_view>

namespace certline {

// The length of the well-formed UTF-8 sequence that `text` begins with (RFC 3629, section 4); 0:
// none, and for an empty text 1.
std::size_t utf8_length(std::string_view text);

// At most `most` bytes of `text`, whole characters; empty where not even one fits.
std::string_view whole_prefix(std::string_view text, std::size_t most);

// The same, with "..." as a sign that something is missing; `most` is at least 3.
std::string shortened(std::string text, std::size_t most);

}  // namespace certline
