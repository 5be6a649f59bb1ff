#pragma once
// Which command to run on the host that owns a name. Pure.

#include <string>
#include <string_view>

#include "inventory/alerts.hpp"

namespace certline {

struct AdviceFacts {
  EventKind event = EventKind::test;
  ScanState state = ScanState::ok;  // what is wrong: of a verdict, of a way to a server
  std::string host;                 // LDH name or address text
  std::uint16_t port = 443;
  Starttls starttls = Starttls::none;
  std::string detail;  // as the scan wrote it; names the intermediate that is missing
};

// One line, commands between backquotes; empty where there is nothing to do.
std::string advice(const AdviceFacts& facts);

// What serves such an endpoint and how it is made to read its certificate again:
// "`nginx -t && systemctl reload nginx` (…)".
std::string reload_command(std::uint16_t port, Starttls starttls);

}  // namespace certline
