#pragma once
// A message about an event, as facts; channels render it (daemon/). Pure.

#include <optional>
#include <string>
#include <vector>

#include "inventory/alerts.hpp"

namespace certline {

enum class Severity : std::uint8_t { good, notice, warning, critical };
std::string_view severity_name(Severity severity);

struct MessageHost {
  std::string name;    // canonical: host[:port]
  std::string state;   // what was found there, for people: "2 of 3 addresses do not answer"
  std::string advice;  // which command to run on the host that owns it; may be empty
  std::vector<std::string> addresses;  // those it is about
  UtcTime seen_utc = 0;                // when that was seen
};

struct Message {
  std::string id;  // UUID text; the same at each attempt to deliver, on every channel
  EventKind event = EventKind::test;
  EventKind about = EventKind::test;  // with recovered: what is over
  Severity severity = Severity::notice;
  AccountId account = kOperatorAccount;
  UtcTime created_utc = 0;
  std::string title;  // one line
  std::string text;   // a few lines: what, since when, what to do
  // With an event about a certificate.
  std::string certificate_sha256, subject, issuer;
  UtcTime not_after_utc = 0;
  std::vector<MessageHost> hosts;
  std::size_t more_hosts = 0;  // that are not listed
  std::string unsubscribe;     // a link, or empty
};

}  // namespace certline
