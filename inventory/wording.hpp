#pragma once
// The small phrases that messages are built from.

#include <string>
#include <string_view>
#include <vector>

#include "inventory/message.hpp"
#include "protocol/utc_text.hpp"

namespace certline {

struct HostFacts;

std::string duration(UtcTime seconds);  // "12 days", "5 hours", "1 minute"; nothing below a minute
std::string counted(std::size_t n, std::string_view what);  // "1 name", "2 names"
std::string ends_text(UtcTime not_after, UtcTime now);      // "ends in 12 days (2026-12-03)"
std::string joined(const std::vector<std::string>& items, std::size_t most);  // "a, b and 3 more"
std::string phrase(ScanState state);  // "connection refused", "for other names"

// What one host says in a message: state, advice, addresses, age.
MessageHost compose_host(EventKind event, EventKind about, const HostFacts& facts, UtcTime now);

}  // namespace certline
