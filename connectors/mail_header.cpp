// Header values from text of people or certificates. No value can begin a line of its own, and text
// that is not ASCII is encoded.
#include "connectors/smtp.hpp"
#include "protocol/base64.hpp"
#include "protocol/text_limits.hpp"
#include "protocol/utc_text.hpp"

namespace certline::connectors {
namespace {

constexpr std::size_t kWordBytes = 42;      // 56 in base64; 68 with the frame, of 75 (RFC 2047 2)
constexpr std::size_t kSubjectBytes = 400;  // what people still read

// What isn't UTF-8 is cut anywhere, so that something is taken each time.
std::string_view prefix(std::string_view text, std::size_t most) {
  const std::string_view whole = whole_prefix(text, most);
  return whole.empty() ? text.substr(0, most) : whole;
}

}  // namespace

std::string mail_date(UtcTime when) {
  return header_date(when, "+0000");
}

std::string header_text(std::string_view text) {
  std::string line(prefix(text, kSubjectBytes));
  bool ascii = true;
  for (char& c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = ' ';
    ascii = ascii && byte < 0x80;
  }
  if (ascii && line.find("=?") == std::string::npos) return line;
  std::string out;
  for (std::string_view rest = line; !rest.empty();) {
    const std::string_view word = prefix(rest, kWordBytes);
    const auto* const bytes = reinterpret_cast<const std::uint8_t*>(word.data());
    out += (out.empty() ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?") + encode_base64({bytes, word.size()}) +
           "?=";
    rest.remove_prefix(word.size());
  }
  return out;
}

}  // namespace certline::connectors
