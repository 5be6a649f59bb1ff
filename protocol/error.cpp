// The table from error kinds to what the wires say, and the one way to quote input back.
// line/render.cpp and rest/errors.cpp write errors with it.
#include "protocol/error.hpp"

#include <array>

namespace certline {
namespace {

struct Row {
  ErrorKind kind;
  int line_code;
  int http_status;
  std::string_view name;
};

constexpr std::array<Row, 12> kRows{{
    {ErrorKind::malformed, 400, 400, "malformed"},
    {ErrorKind::key_unknown, 401, 401, "key_unknown"},
    {ErrorKind::refused, 403, 403, "refused"},
    {ErrorKind::not_registered, 404, 404, "not_registered"},
    {ErrorKind::registration_closed, 405, 403, "registration_closed"},
    {ErrorKind::conflict, 409, 409, "conflict"},
    {ErrorKind::too_long, 413, 413, "too_long"},
    {ErrorKind::invalid_value, 422, 422, "invalid_value"},
    {ErrorKind::too_many, 429, 429, "too_many"},
    {ErrorKind::internal, 500, 500, "internal"},
    {ErrorKind::unavailable, 503, 503, "unavailable"},
    {ErrorKind::store_full, 507, 507, "store_full"},
}};

const Row& row(ErrorKind kind) {
  return kRows.at(static_cast<std::size_t>(kind));
}

}  // namespace

int line_code(ErrorKind kind) {
  return row(kind).line_code;
}

int http_status(ErrorKind kind) {
  return row(kind).http_status;
}

std::string_view error_name(ErrorKind kind) {
  return row(kind).name;
}

std::string quoted(std::string_view input, std::size_t most) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : input.substr(0, most)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
      out += c;
    } else {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  out += input.size() > most ? "...\"" : "\"";
  return out;
}

}  // namespace certline
