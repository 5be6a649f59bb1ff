// Reads queries, forms and PEM. Each is decoded in one pass, and nothing is decoded twice.
// json_body.cpp reads JSON, next on the way.
#include "protocol/rest/input.hpp"

#include <algorithm>

#include "protocol/base64.hpp"
#include "protocol/rest/target.hpp"
#include "protocol/values.hpp"

namespace certline::rest {
namespace {

constexpr std::string_view kBlanks = " \t\r\n\v\f";

Error malformed(std::string detail) {
  return {ErrorKind::malformed, std::move(detail), 0};
}

bool has_name(const InputFields& fields, std::string_view name) {
  return std::any_of(fields.begin(), fields.end(),
                     [&](const InputField& field) { return field.name == name; });
}

// "application/json; charset=utf-8" → "application/json"
std::string media_type(std::string_view content_type) {
  return ascii_lower(trimmed(content_type.substr(0, content_type.find(';'))));
}

std::string without_blanks(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (kBlanks.find(c) == std::string_view::npos) out += c;
  }
  return out;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

Result<std::string> percent_decode(std::string_view text, bool plus_is_blank) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const DecodedByte one = decode_at(text, at);
    if (one.size == 0) return malformed("a % must be followed by two hex digits");
    if (one.byte == 0) return malformed("a NUL byte is not allowed");
    out += text[at] == '+' && plus_is_blank ? ' ' : one.byte;
    at += one.size;
  }
  return out;
}

Result<InputFields> parse_form(std::string_view text) {
  InputFields fields;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    auto name = percent_decode(pair.substr(0, equals), true);
    if (!name) return name.error();
    auto value = percent_decode(pair.substr(std::min(equals + 1, pair.size())), true);
    if (!value) return value.error();
    if (has_name(fields, *name)) return malformed("field " + quoted(*name) + " is given twice");
    if (fields.size() == kInputFields) return malformed("too many fields");
    fields.push_back({std::move(*name), std::move(*value), InputField::Kind::text});
  }
  return fields;
}

Result<InputFields> parse_body(std::string_view content_type, std::string_view body) {
  if (body.empty()) return InputFields{};
  const std::string type = media_type(content_type);
  if (type == "application/json") return parse_json_body(body);
  if (type.starts_with("multipart/")) {
    return malformed("A body in parts is not read; send JSON, or a form as curl -d sends it.");
  }
  // curl says "form" of whatever it is given, so that a JSON object is looked for there, too.
  const std::string_view text = trimmed(body);
  return text.starts_with('{') ? parse_json_body(body) : parse_form(text);
}

Result<std::string> certificate_base64(std::string_view pem) {
  static constexpr std::string_view kBegin = "-----BEGIN ", kEnd = "-----END CERTIFICATE-----";
  static constexpr std::string_view kLabel = "CERTIFICATE-----";
  const Error not_one{ErrorKind::invalid_value,
                      "send exactly one certificate, as PEM, and nothing beside it", 0};
  const std::size_t begin = pem.find(kBegin);
  if (begin == std::string_view::npos) {
    std::string bare = without_blanks(pem);
    const auto bytes = decode_base64(bare);
    return bytes && !bytes->empty() ? Result<std::string>(std::move(bare)) : not_one;
  }
  pem.remove_prefix(begin + kBegin.size());
  const std::size_t end = pem.find(kEnd);
  if (!pem.starts_with(kLabel) || end == std::string_view::npos) return not_one;
  if (pem.find(kBegin) != std::string_view::npos) return not_one;
  std::string base64 = without_blanks(pem.substr(kLabel.size(), end - kLabel.size()));
  const auto bytes = decode_base64(base64);
  return bytes && !bytes->empty() ? Result<std::string>(std::move(base64)) : not_one;
}

}  // namespace certline::rest
