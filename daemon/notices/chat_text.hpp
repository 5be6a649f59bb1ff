#pragma once
// A message as chats and phones show it. Pure. The form for mail is mail_text.hpp.

#include <string>
#include <utility>
#include <vector>

#include "inventory/message.hpp"

namespace certline::notices {

// The body that Slack and what is alike takes; others show its `text`.
std::string slack_json(const Message& message, UtcTime now);

// For ntfy: plain text, with the rest in headers.
struct NtfyText {
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};
NtfyText ntfy_text(const Message& message, UtcTime now);

}  // namespace certline::notices
