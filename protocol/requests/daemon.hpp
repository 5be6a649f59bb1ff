#pragma once
// The daemon itself: is it there, how is it doing, what can it do.

#include <cstdint>
#include <optional>
#include <string>

#include "protocol/requests/type_list.hpp"

namespace certline {

struct Ping {};
struct Help {
  std::optional<std::string> on;  // a command name of the table, lower case
};
struct GetStatus {};

struct Pong {};
struct HelpText {
  std::optional<std::string> on;
};
struct StatusReport {
  std::string version;
  std::int64_t uptime_s = 0;
  std::uint64_t accounts = 0, names = 0, endpoints = 0, certificates = 0;
  std::uint64_t connections = 0, scans_in_flight = 0;
};

using DaemonRequests = TypeList<Ping, Help, GetStatus>;
using DaemonReplies = TypeList<Pong, HelpText, StatusReport>;

}  // namespace certline
