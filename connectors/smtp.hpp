#pragma once
// One mail to one recipient through an SMTP server. It blocks: call it on a thread that may wait.

#include <atomic>
#include <chrono>
#include <string>

#include "protocol/error.hpp"
#include "protocol/values.hpp"

namespace certline::connectors {

enum class StartTls : std::uint8_t {
  required,       // nothing is sent before the server's certificate was verified
  opportunistic,  // where it is offered, whoever it is; with a password as `required`
  off,
};

struct SmtpServer {
  std::string host_port;  // "mail.example.org:587", "[::1]:25"
  StartTls starttls = StartTls::required;
  bool tls_at_once = false;    // TLS from the first byte, verified; `starttls` counts for nothing
  std::string user, password;  // both or neither
  std::string trust_file;      // PEM; empty: the system's
  std::chrono::milliseconds deadline{30'000};
};

struct Mail {
  std::string from, to;  // addr-specs
  std::string subject;   // UTF-8; line ends and control characters become spaces
  std::string id;        // of the message; the same at each attempt to send it
  UtcTime date = 0;
  std::string text, html;   // UTF-8
  std::string unsubscribe;  // a link that is POSTed to (RFC 8058), or empty
};

// Errors: refused (the server says that this mail will never be taken: 5xx to sender, recipient or
// contents, but for 530, which is about us), too_many (4xx to those: try this mail later),
// invalid_value (an address or link is none), unavailable (all else: nobody took any mail). One
// line each: the server's own words where there are some.
Result<void> send_mail(const SmtpServer& server, const Mail& mail,
                       const std::atomic<bool>& cancelled);

// The header's value (RFC 5322 3.3): "Sat, 21 Nov 2026 15:55:43 +0000".
std::string mail_date(UtcTime when);
// As it stands in a header (RFC 2047): plain where it is ASCII, else as encoded words, folded.
std::string header_text(std::string_view text);

}  // namespace certline::connectors
