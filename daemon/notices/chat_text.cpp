// Messages for chats and phones. They show little, so a message has its subject, the first hosts,
// and what to do. Both kinds of receivers cut off or refuse longer ones.
#include "daemon/notices/chat_text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <array>

#include "connectors/smtp.hpp"
#include "daemon/notices/mail_text.hpp"
#include "daemon/notices/message_json.hpp"
#include "protocol/text_limits.hpp"

namespace certline::notices {
namespace {

namespace json = boost::json;

constexpr std::size_t kHostsShown = 10;
constexpr std::size_t kSlackBytes = 2'900;  // of a section's 3,000 characters
constexpr std::size_t kNtfyBytes = 4'000;   // longer ones become attachments

// By severity: good, notice, warning, critical.
constexpr std::array<std::string_view, 4> kColours{"#2e7d32", "#1565c0", "#f9a825", "#c62828"};
constexpr std::array<std::string_view, 4> kPriorities{"2", "3", "4", "5"};
constexpr std::array<std::string_view, 4> kTags{"white_check_mark", "information_source", "warning",
                                                "rotating_light"};

std::size_t index(Severity severity) {
  return static_cast<std::size_t>(severity) % kColours.size();
}

std::string slack_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  }
  return out;
}

std::string host_lines(const Message& m) {
  std::string out;
  for (std::size_t i = 0; i < m.hosts.size() && i < kHostsShown; ++i) {
    const MessageHost& host = m.hosts[i];
    out += "\n" + clean_text(host.name, false);
    if (!host.state.empty()) out += ": " + clean_text(host.state, false);
    if (!host.advice.empty()) out += "\n  " + clean_text(host.advice, true);
  }
  const std::size_t hidden =
      m.more_hosts + (m.hosts.size() > kHostsShown ? m.hosts.size() - kHostsShown : 0);
  if (hidden > 0) out += "\nand " + std::to_string(hidden) + " more";
  return out;
}

std::string summary(const Message& m, UtcTime now) {
  return clean_text(m.text, true) + host_lines(m) + "\n(" + span_text(age_s(m, now)) + " old)";
}

}  // namespace

std::string slack_json(const Message& message, UtcTime now) {
  const std::string title = slack_escaped(clean_text(message.title, false));
  const json::object text{
      {"type", "mrkdwn"},
      {"text", shortened("*" + title + "*\n" + slack_escaped(summary(message, now)), kSlackBytes)}};
  const json::object attachment{
      {"color", kColours[index(message.severity)]},
      {"blocks", json::array{json::object{{"type", "section"}, {"text", text}}}}};
  return json::serialize(json::object{{"text", shortened(title, kSlackBytes)},
                                      {"attachments", json::array{attachment}}});
}

NtfyText ntfy_text(const Message& message, UtcTime now) {
  const std::size_t i = index(message.severity);
  // Encoded words, as in mail, but on one line: HTTP folds nothing.
  std::string title = connectors::header_text(clean_text(message.title, false));
  for (auto fold = title.find("\r\n"); fold != title.npos; fold = title.find("\r\n")) {
    title.erase(fold, 2);
  }
  return {shortened(summary(message, now), kNtfyBytes),
          {{"Title", title},
           {"Priority", std::string(kPriorities[i])},
           {"Tags", std::string(kTags[i])}}};
}

}  // namespace certline::notices
