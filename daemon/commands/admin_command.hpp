#pragma once
// `certlined admin …` looks at accounts and changes them. A change needs a running daemon: it is a
// line command on the daemon's Unix socket. What only reads comes from the store and needs no
// daemon.

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "daemon/runtime/config.hpp"
#include "store/store.hpp"

namespace CLI {
class App;
}

namespace certline::commands {

struct AdminCommand {
  std::string action;   // the subcommand's name
  std::string account;  // a number or an address
  std::string key;      // a tag
  std::uint32_t names = 0;
  std::uint64_t after = 0;
  bool json = false, yes = false;
  std::string socket;  // instead of line.socket
};

// Adds the subcommands, which fill in `command`.
void describe_admin(CLI::App& app, AdminCommand& command);

// Exit status: 0 done, 1 not (one line on `err` says why), 2 an argument makes no sense.
int run_admin(const AdminCommand& command, const runtime::Config& config, std::ostream& out,
              std::ostream& err);

// Rows as they are read (daemon/admin_records.cpp): JSON objects, one a line.
std::string account_json(const store::ReadView& view, const AccountRecord& account,
                         const runtime::Config& config);
std::string key_json(const KeyTag& tag, const KeyRecord& key);
std::string audit_json(std::uint64_t number, const AuditRecord& record);
std::string dead_letter_json(const DeliveryRecord& delivery);
// Everything that is known of an account: itself, its keys, names with what was seen of them,
// incidents, messages on their way, tokens, and its rows of the audit.
void export_account(const store::ReadView& view, const AccountRecord& account,
                    const runtime::Config& config, std::ostream& out);

std::string time_text(UtcTime at);  // "2026-11-21T16:00:00Z", "-" for 0

}  // namespace certline::commands
