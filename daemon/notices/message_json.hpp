#pragma once
// A message as JSON: deliveries store it, and webhooks and programs get it. On the way out, texts
// become valid UTF-8 without control characters, whatever a certificate said.

#include <string>
#include <string_view>

#include "inventory/message.hpp"

namespace certline::notices {

// One object on one line, from which parse_message() makes an equal message.
std::string message_json(const Message& message);
// Errors (malformed): not such an object. Unknown members are passed over.
Result<Message> parse_message(std::string_view json);

// What receivers get, docs/notifications.md lists the members: as above without the link that ends
// the mails, with `age_s`, the age of the oldest look that the message rests on.
std::string webhook_json(const Message& message, UtcTime now);

// Of the oldest look at one of its hosts; of the message itself where it is about none. Not
// negative.
UtcTime age_s(const Message& message, UtcTime now);

// Valid UTF-8 without control characters; line ends stay where `lines`. Everything else becomes
// U+FFFD.
std::string clean_text(std::string_view text, bool lines);

}  // namespace certline::notices
