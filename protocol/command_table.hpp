#pragma once
// One row per command: its name, the arguments it takes, the words for help. Parsing, arity checks,
// help text, metrics labels and PROTOCOL.md's command list all come from these rows.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "protocol/request.hpp"

namespace certline {

enum class Need : std::uint8_t { required, optional };

struct ArgumentRow {
  std::string_view key;  // "domain"
  Need need;
  std::string_view form;  // "name[:port]", for help and for the error that asks for it
};

// Who may ask. Administrators are root and the daemon's own user, on the Unix socket.
enum class Access : std::uint8_t { everyone, administrator };

struct CommandRow {
  std::string_view name;
  std::span<const ArgumentRow> arguments;
  std::string_view summary;  // what it does, one clause
  std::string_view data;     // shape of the data line, empty for none
  std::string_view example;
  Access access = Access::everyone;
};

std::span<const CommandRow> command_table();
const CommandRow* find_command(std::string_view lower_case_name);

// "command add domain name[:port] apikey K [starttls protocol] …": how a row is written.
std::string command_usage(const CommandRow& row);

// The table as Markdown: what stands in PROTOCOL.md between its `commands` markers.
std::string commands_markdown();

// The index of a request's row in command_table(), for metrics and logs.
std::size_t command_index(const Request& request);

}  // namespace certline
