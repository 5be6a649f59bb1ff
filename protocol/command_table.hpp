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

// The values of a request by the keys of its row, as another wire has them; absent ones are left
// out. Errors: malformed (a key the row doesn't take, twice or without value, or one it needs is
// missing), invalid_value, refused.
struct ArgumentText {
  std::string_view key, value;
};
Result<Request> parse_arguments(const CommandRow& row, std::span<const ArgumentText> arguments,
                                const DomainRules& rules);

// One request line without its line end → Request. Errors: malformed, invalid_value, refused.
Result<Request> parse_line(std::string_view line, const DomainRules& rules);

// The texts of a line that is exactly "command expiration domain D apikey K", as most are. Nothing
// is looked at but the blanks: for whoever kept an answer under the same two texts.
struct PlainExpiration {
  std::string_view domain, key;
};
std::optional<PlainExpiration> plain_expiration(std::string_view line);

// The index of a request's row in command_table(), for metrics and logs.
std::size_t command_index(const Request& request);

// A check as the plugins of monitoring systems say it: state, text, figures behind a bar.
std::string check_line(const CheckResult& result);

// Both lines, each ending in LF, at most kReplyBytes altogether.
std::string render_line(const Reply& reply);
void append_line(std::string& out, const Reply& reply);  // the same, appended
void append_line(std::string& out, const ExpirationReport& report);

}  // namespace certline
