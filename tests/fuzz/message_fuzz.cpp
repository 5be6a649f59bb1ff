// Stored messages from arbitrary bytes. A message that can be read is written and read again
// unchanged. Every form for a receiver can be made from it, in valid UTF-8 without control
// characters.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "daemon/notices/channels.hpp"
#include "daemon/notices/chat_text.hpp"
#include "daemon/notices/mail_text.hpp"
#include "daemon/notices/message_json.hpp"

namespace {

using namespace certline;
using namespace certline::notices;

constexpr UtcTime kNow = 1'800'000'000;

void require(bool held) {
  if (!held) std::abort();
}

bool is_clean(std::string_view text) {
  return clean_text(text, true) == text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto message = parse_message({reinterpret_cast<const char*>(data), size});
  if (!message) return 0;
  const std::string json = message_json(*message);
  const auto again = parse_message(json);
  require(again.has_value() && message_json(*again) == json);
  require(is_clean(json) && is_clean(webhook_json(*message, kNow)));
  const MailText mail = render_mail(*message, kNow);
  require(is_clean(mail.subject) && is_clean(mail.text) && is_clean(mail.html));
  require(is_clean(slack_json(*message, kNow)) && is_clean(ntfy_text(*message, kNow).body));
  for (const std::string& variable : program_environment(*message, kNow)) {
    require(is_clean(variable) && variable.find('\0') == variable.npos);
  }
  return 0;
}
