#pragma once
// A message as mail shows it, in two forms. Pure. The form for chats and phones is chat_text.hpp.

#include <string>
#include <string_view>

#include "inventory/message.hpp"

namespace certline::notices {

struct MailText {
  std::string subject;  // one line
  std::string text;     // at most kMailColumns wide, but for what cannot be broken
  std::string html;     // a whole document that refers to nothing elsewhere
};
inline constexpr std::size_t kMailColumns = 78;

MailText render_mail(const Message& message, UtcTime now);

std::string span_text(UtcTime seconds);  // "5 minutes", "1 hour", "3 days"
std::string wrapped(std::string_view text, std::string_view indent, std::size_t columns);

}  // namespace certline::notices
