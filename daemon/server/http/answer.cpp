// Most fields are the same for every answer: no cache may keep it, and no browser may take it for
// another type. The date is rendered once a second.
#include "daemon/server/http/answer.hpp"

#include <fmt/format.h>

#include <iterator>

#include "protocol/utc_text.hpp"

namespace certline::server::http {
namespace {

// IMF-fixdate (RFC 9110 5.6.7).
const std::string& date_of(UtcTime now) {
  thread_local UtcTime said = -1;
  thread_local std::string text;
  if (said != now) {
    text = header_date(now, "GMT");
    said = now;
  }
  return text;
}

constexpr std::string_view kAlways =
    "Server: certline\r\n"
    "Cache-Control: no-store\r\n"
    "X-Content-Type-Options: nosniff\r\n";

}  // namespace

void append_answer_start(std::string& out, int status, UtcTime now) {
  if (status == 200) {
    out += "HTTP/1.1 200 OK";
  } else {
    fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}", status, status_title(status));
  }
  out += "\r\nDate: ";
  out += date_of(now);
  out += "\r\n";
}

void append_answer_rest(std::string& out, const HttpResponse& response,
                        const HttpAnswerStyle& style) {
  const auto into = std::back_inserter(out);
  const bool never_has_body = response.status == 204 || response.status == 304;
  out += kAlways;
  if (!never_has_body) {
    fmt::format_to(into, "Content-Type: {}\r\nContent-Length: {}\r\n", response.content_type,
                   response.body.size());
  }
  for (const auto& [name, value] : response.fields) {
    fmt::format_to(into, "{}: {}\r\n", name, value);
  }
  if (!style.keep_alive) {
    out += "Connection: close\r\n";
  } else if (style.minor_version == 0) {
    out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
  if (!never_has_body && !style.head_only) out += response.body;
}

}  // namespace certline::server::http
