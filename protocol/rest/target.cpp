// Checks a path before a route is looked for. It is decoded here to be checked, and in build.cpp to
// be used; encoded slashes part segments, too, so no later decoding finds `..`. parse.cpp is next
// on the way.
#include "protocol/rest/target.hpp"

#include <algorithm>
#include <string>

namespace certline::rest {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool has_dot_segment(std::string_view decoded) {
  while (!decoded.empty()) {
    const std::size_t end = std::min(decoded.find('/'), decoded.size());
    const std::string_view segment = decoded.substr(0, end);
    if (segment == "." || segment == "..") return true;
    decoded.remove_prefix(std::min(end + 1, decoded.size()));
  }
  return false;
}

}  // namespace

DecodedByte decode_at(std::string_view text, std::size_t at) {
  if (text[at] != '%') return {text[at], 1};
  if (at + 2 >= text.size()) return {};
  const int high = hex_value(text[at + 1]), low = hex_value(text[at + 2]);
  if (high < 0 || low < 0) return {};
  return {static_cast<char>(high * 16 + low), 3};
}

std::string_view path_objection(std::string_view path) {
  if (!path.starts_with('/')) return "the target must be a path, as in GET /api/ping";
  std::string decoded;
  decoded.reserve(path.size());
  for (std::size_t at = 0; at < path.size();) {
    const DecodedByte one = decode_at(path, at);
    if (one.size == 0) return "a % is followed by two hexadecimal digits";
    if (one.byte == 0) return "a target has no %00";
    decoded += one.byte;
    at += one.size;
  }
  if (has_dot_segment(decoded) || path.find("//") != path.npos) {
    return "a path has no empty, . or .. segment";
  }
  return {};
}

}  // namespace certline::rest
