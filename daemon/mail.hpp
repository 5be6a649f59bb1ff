#pragma once
// A message as people read it: mail in two forms, and what chats and phones get. Pure.

#include <string>
#include <utility>
#include <vector>

#include "inventory/message.hpp"

namespace certline::daemon {

struct MailText {
  std::string subject;  // one line
  std::string text;     // at most kMailColumns wide, but for what cannot be broken
  std::string html;     // a whole document that refers to nothing elsewhere
};
inline constexpr std::size_t kMailColumns = 78;

MailText render_mail(const Message& message, UtcTime now);

// The body that Slack and what is alike takes; others show its `text`.
std::string slack_json(const Message& message, UtcTime now);

// For ntfy: plain text, with the rest in headers.
struct NtfyText {
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};
NtfyText ntfy_text(const Message& message, UtcTime now);

std::string utc_text(UtcTime when);      // "2026-11-21 15:55 UTC"
std::string span_text(UtcTime seconds);  // "5 minutes", "1 hour", "3 days"
std::string wrapped(std::string_view text, std::string_view indent, std::size_t columns);

}  // namespace certline::daemon
