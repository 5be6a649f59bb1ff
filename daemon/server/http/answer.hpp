#pragma once
// An HttpResponse as bytes on the wire (RFC 9112): status line, Date, fields, body.

#include <string>
#include <string_view>

#include "protocol/rest/routes.hpp"
#include "protocol/values.hpp"

namespace certline::server::http {

using rest::HttpResponse;

struct HttpAnswerStyle {
  bool head_only = false;  // to a HEAD request: lengths are told, bodies not sent
  bool keep_alive = true;
  int minor_version = 1;  // the client's
};

// "HTTP/1.1 200 OK\r\nDate: …\r\n": all of an answer that changes with the time.
void append_answer_start(std::string& out, int status, UtcTime now);
// What comes behind it.
void append_answer_rest(std::string& out, const HttpResponse& response,
                        const HttpAnswerStyle& style);

inline constexpr std::string_view kHttpContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace certline::server::http
