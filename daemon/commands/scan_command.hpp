#pragma once
// `certlined scan NAME` looks at a name once with the daemon's scanner and prints what it saw.

#include <iosfwd>
#include <optional>
#include <string>

#include "daemon/runtime/config.hpp"

namespace certline::commands {

struct ScanCommand {
  std::string name;                     // as `command add domain` takes it
  std::optional<std::string> starttls;  // protocol name
  bool json = false;
  // Without a configuration everything may be scanned: at one's own shell the address policy
  // protects nobody. With one, its scanner section holds whole.
  std::optional<runtime::Config> config;
};

// Exit status: 0 every address is fine, 1 a problem, 2 wrong usage.
int run_scan(const ScanCommand& command, std::ostream& out, std::ostream& errors);

}  // namespace certline::commands
