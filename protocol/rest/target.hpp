#pragma once
// What the path of a target may be, whatever it names. The server's gate and the routes ask the
// same function; percent signs are decoded one way everywhere.

#include <cstddef>
#include <string_view>

namespace certline::rest {

// One step through "%41" (RFC 3986 2.1): the decoded byte and how many bytes it took; none where a
// % stands without two hex digits.
struct DecodedByte {
  char byte = 0;
  std::size_t size = 0;
};
DecodedByte decode_at(std::string_view text, std::size_t at);

// Why a path is refused, for people; empty: it isn't. A path begins with a slash; it has no empty
// segment and, decoded once, no NUL and no "." or ".." segment.
std::string_view path_objection(std::string_view path);

}  // namespace certline::rest
