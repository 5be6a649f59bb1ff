#pragma once
// `certlined notify --test CHANNEL` tries a channel. It needs neither a running daemon nor its
// store.

#include <iosfwd>
#include <string>

#include "daemon/runtime/config.hpp"

namespace certline::commands {

struct NotifyCommand {
  runtime::Config config;
  std::string channel;  // of the configuration, or "mail"
  std::string to;       // with "mail": the address
};

// One line, to `out` where the test message was taken, else to `err`. The exit status: 0 taken,
// 1 not, 2 the command makes no sense.
int run_notify(const NotifyCommand& command, std::ostream& out, std::ostream& err);

}  // namespace certline::commands
