// One table of the bytes that have a meaning in HTML; control bytes, which HTML forbids, become
// question marks. Pages and mails both write through it, so that outside text never becomes markup.
// rest/pages.cpp uses it.
#include "protocol/html_text.hpp"

#include <array>

namespace certline {

std::string html_text(std::string_view text) {
  static constexpr std::array<std::pair<char, std::string_view>, 5> kEntities{
      {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}}};
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const bool control = static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t';
    std::string_view written = control || c == 0x7f ? "?" : std::string_view(&c, 1);
    for (const auto& [byte, entity] : kEntities) {
      if (byte == c) written = entity;
    }
    out += written;
  }
  return out;
}

}  // namespace certline
