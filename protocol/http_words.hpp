#pragma once
// The words of HTTP that routes, their documents and the server's answers have in common.

#include <cstdint>
#include <string_view>

namespace certline {

enum class HttpMethod : std::uint8_t { get, head, post, put, del, patch, options };
std::string_view method_name(HttpMethod method);  // "GET"

// The reason phrase of a status line and the title of a problem document (RFC 9110, section 15):
// "Not Found".
std::string_view status_title(int status);

}  // namespace certline
