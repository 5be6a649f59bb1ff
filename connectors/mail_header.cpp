// Header values that hold whatever people or certificates say: no value can begin a line of its
// own, and what isn't ASCII is encoded.
#include <array>
#include <cstdio>
#include <ctime>

#include "connectors/smtp.hpp"
#include "protocol/base64.hpp"

namespace certline::connectors {
namespace {

constexpr std::size_t kWordBytes = 42;      // 56 in base64; 68 with the frame, of 75 (RFC 2047 2)
constexpr std::size_t kSubjectBytes = 400;  // what people still read

bool continues(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

// At most `most` bytes, and no half character at the end.
std::string_view prefix(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  std::size_t size = most;
  while (size > 0 && continues(text[size])) --size;
  return text.substr(0, size == 0 ? most : size);
}

}  // namespace

std::string mail_date(UtcTime when) {
  static constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed",
                                                    "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds = when;
  std::tm t{};
  ::gmtime_r(&seconds, &t);
  std::array<char, 64> out{};
  std::snprintf(out.data(), out.size(), "%s, %02d %s %04d %02d:%02d:%02d +0000",
                kDays[static_cast<std::size_t>(t.tm_wday)], t.tm_mday,
                kMonths[static_cast<std::size_t>(t.tm_mon)], t.tm_year + 1900, t.tm_hour, t.tm_min,
                t.tm_sec);
  return out.data();
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
