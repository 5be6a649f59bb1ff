// A message becomes one list of paragraphs. Both plain text and HTML are written from that list, so
// neither leaves out what the other says. Any text may come from a certificate or a server, so all
// of it is cleaned and escaped here.
#include "daemon/notices/mail_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "daemon/notices/message_json.hpp"
#include "protocol/html_text.hpp"
#include "protocol/utc_text.hpp"

namespace certline::notices {
namespace {

constexpr std::string_view kIndent = "  ";

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// Words, and commands between backquotes as one word each where they fit a line, so that they can
// be copied.
std::vector<std::string_view> unbroken(std::string_view text, std::size_t most) {
  std::vector<std::string_view> words;
  while (true) {
    std::size_t end = text.find(' ');
    const std::size_t open = text.find('`');
    if (open < end) {
      const std::size_t close = text.find('`', open + 1);
      const std::size_t after = close == text.npos ? close : text.find(' ', close);
      if (close != text.npos && std::min(after, text.size()) <= most) end = after;
    }
    words.push_back(text.substr(0, end));
    if (end == text.npos) return words;
    text.remove_prefix(end + 1);
  }
}

bool is_web_link(std::string_view word) {
  return word.starts_with("https://") || word.starts_with("http://");
}

enum class Links : std::uint8_t { as_text, as_links };

// Escaped, line ends as breaks. Only our own words make links: a server's could lead astray.
std::string html_lines(std::string_view text, Links links) {
  std::string out;
  bool begun = false;
  for (const std::string_view line : split(text, '\n')) {
    if (std::exchange(begun, true)) out += "<br>\n";
    bool first = true;
    for (const std::string_view word : split(line, ' ')) {
      if (!std::exchange(first, false)) out += ' ';
      const std::string safe = html_text(word);
      const bool link = links == Links::as_links && is_web_link(word);
      out += link ? fmt::format("<a href=\"{0}\">{0}</a>", safe) : safe;
    }
  }
  return out;
}

// What stands between backquotes is a command.
std::string html_commands(std::string_view text, Links links) {
  std::string out;
  bool command = false;
  for (const std::string_view part : split(text, '`')) {
    const std::string lines = html_lines(part, links);
    out += command ? "<code>" + lines + "</code>" : lines;
    command = !command;
  }
  return out;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : ", ") + part;
  return clean_text(out, false);
}

using Row = std::pair<std::string, std::string>;  // a label and what belongs to it

std::vector<Row> certificate_rows(const Message& m, UtcTime now) {
  if (m.certificate_sha256.empty()) return {};
  const UtcTime left = m.not_after_utc - now;
  const std::string when = left >= 0 ? "in " + span_text(left) : span_text(-left) + " ago";
  std::vector<Row> rows{{"subject", clean_text(m.subject, false)},
                        {"issuer", clean_text(m.issuer, false)}};
  if (m.not_after_utc != 0) {
    rows.emplace_back(left >= 0 ? "expires" : "expired",
                      fmt::format("{}, {}", minute_text(m.not_after_utc), when));
  }
  rows.emplace_back("sha256", clean_text(m.certificate_sha256, false));
  return rows;
}

std::vector<Row> host_rows(const MessageHost& host, UtcTime now) {
  std::vector<Row> rows;
  if (!host.state.empty()) rows.emplace_back("state", clean_text(host.state, false));
  if (!host.addresses.empty()) rows.emplace_back("address", joined(host.addresses));
  if (host.seen_utc != 0) {
    rows.emplace_back("seen", fmt::format("{}, {} ago", minute_text(host.seen_utc),
                                          span_text(std::max<UtcTime>(0, now - host.seen_utc))));
  }
  if (!host.advice.empty()) rows.emplace_back("to do", clean_text(host.advice, true));
  return rows;
}

std::string more_text(const Message& m) {
  return fmt::format("and {} more host{}", m.more_hosts, m.more_hosts == 1 ? "" : "s");
}

std::string text_rows(const std::vector<Row>& rows) {
  std::string out;
  for (const auto& [label, value] : rows) {
    const std::string indent = fmt::format("{}{:<9}", kIndent, label);
    const std::string further(indent.size(), ' ');
    bool first = true;
    for (const std::string_view line : split(value, '\n')) {
      std::string lines = wrapped(line, further, kMailColumns);
      if (std::exchange(first, false)) lines.replace(0, indent.size(), indent);
      out += lines;
    }
  }
  return out;
}

std::string html_rows(const std::vector<Row>& rows) {
  std::string out = "<table style=\"border-spacing:0 0.2em\">\n";
  for (const auto& [label, value] : rows) {
    out += fmt::format(
        "<tr><td style=\"vertical-align:top;padding-right:1em;color:#666666\">{}</td>"
        "<td style=\"word-break:break-word\">{}</td></tr>\n",
        label, html_commands(value, Links::as_text));
  }
  return out + "</table>\n";
}

constexpr std::array<std::string_view, 4> kColours{"#2e7d32", "#1565c0", "#b26a00", "#c62828"};

std::string_view colour(Severity severity) {
  return kColours[static_cast<std::size_t>(severity) % kColours.size()];
}

// Not of mails that were asked for, such as those with a token.
bool has_footer(const Message& m) {
  return m.event != EventKind::mail_confirmation;
}

std::string footer(const Message& m, UtcTime now) {
  return fmt::format("certline, {}; data {} old; message {}", event_name(m.event),
                     span_text(age_s(m, now)), clean_text(m.id, false));
}

std::string plain_text(const Message& m, UtcTime now) {
  std::string out = wrapped(clean_text(m.title, false), "", kMailColumns);
  if (!m.text.empty()) {
    out += '\n';
    const std::string clean = clean_text(m.text, true);
    for (const std::string_view line : split(clean, '\n')) {
      out += line.empty() ? "\n" : wrapped(line, "", kMailColumns);
    }
  }
  const auto certificate = certificate_rows(m, now);
  if (!certificate.empty()) out += "\nCertificate\n" + text_rows(certificate);
  for (const MessageHost& host : m.hosts) {
    out += "\n" + clean_text(host.name, false) + "\n" + text_rows(host_rows(host, now));
  }
  if (m.more_hosts > 0) out += "\n" + more_text(m) + "\n";
  if (!has_footer(m)) return out;
  out += "\n-- \n" + wrapped(footer(m, now), "", kMailColumns);
  if (!m.unsubscribe.empty())
    out += "No more of these:\n" + clean_text(m.unsubscribe, false) + "\n";
  return out;
}

std::string html_body(const Message& m, UtcTime now) {
  const std::string title = html_text(clean_text(m.title, false));
  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta "
      "charset=\"utf-8\"><title>{0}</title></head>\n"
      "<body style=\"font-family:sans-serif;max-width:44em\">\n"
      "<h2 style=\"border-left:0.3em solid {1};padding-left:0.5em\">{0}</h2>\n",
      title, colour(m.severity));
  if (!m.text.empty())
    out += "<p>" + html_commands(clean_text(m.text, true), Links::as_links) + "</p>\n";
  const auto certificate = certificate_rows(m, now);
  if (!certificate.empty()) out += "<h3>Certificate</h3>\n" + html_rows(certificate);
  for (const MessageHost& host : m.hosts) {
    out += "<h3>" + html_text(clean_text(host.name, false)) + "</h3>\n" +
           html_rows(host_rows(host, now));
  }
  if (m.more_hosts > 0) out += "<p>" + more_text(m) + "</p>\n";
  if (has_footer(m)) {
    out += "<hr>\n<p style=\"color:#666666\">" + html_text(footer(m, now));
    if (!m.unsubscribe.empty()) {
      out += fmt::format("<br>\n<a href=\"{}\">No more of these</a>",
                         html_text(clean_text(m.unsubscribe, false)));
    }
    out += "</p>\n";
  }
  return out + "</body>\n</html>\n";
}

}  // namespace

std::string span_text(UtcTime seconds) {
  static constexpr std::array<std::pair<UtcTime, std::string_view>, 4> kUnits{
      {{86'400, "day"}, {3'600, "hour"}, {60, "minute"}, {1, "second"}}};
  for (const auto& [size, name] : kUnits) {
    const UtcTime count = seconds / size;
    // Two of a kind at least, so that little is lost: "36 hours", not "1 day".
    if (count >= 2 || size == 1) return fmt::format("{} {}{}", count, name, count == 1 ? "" : "s");
  }
  return {};
}

std::string wrapped(std::string_view text, std::string_view indent, std::size_t columns) {
  std::string out(indent);
  std::size_t width = 0;  // of the line's words
  for (const std::string_view word : unbroken(text, columns - indent.size())) {
    if (width > 0 && indent.size() + width + 1 + word.size() > columns) {
      out += '\n';
      out += indent;
      width = 0;
    }
    if (width > 0) {
      out += ' ';
      ++width;
    }
    out += word;
    width += word.size();
  }
  return out + '\n';
}

MailText render_mail(const Message& message, UtcTime now) {
  return {clean_text(message.title, false), plain_text(message, now), html_body(message, now)};
}

}  // namespace certline::notices
