#pragma once
// One row per command: its name, the arguments it takes, what it is made of, the words for help and
// its REST routes. Parsing, arity checks, help text, metrics labels, the routes, the OpenAPI
// document and the lists in PROTOCOL.md and REST.md all come from these rows. They stand in
// requests/*_rows.hpp, beside the requests; requests/row.hpp says how one is written.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "protocol/arguments.hpp"
#include "protocol/http_words.hpp"
#include "protocol/request.hpp"

namespace certline {

// A write is acknowledged after its commit; reads wait for the writes before them.
enum class Kind : std::uint8_t { read, write };

// Administrators are root and the daemon's own user, on the Unix socket.
enum class Access : std::uint8_t { everyone, administrator };

// How a route says an error: which of the documented bodies. `plain` is of the routes under
// /api/v1.0 without bodies of their own; a `page` is HTML.
enum class RestErrors : std::uint8_t { problem, plain, claim, add, expiration, certificate, page };

// A route of a command. It needs the key that the command needs; what stands in braces in its path
// is a field, too.
struct RouteRow {
  HttpMethod method = HttpMethod::get;  // get stands for head, too
  std::string_view path = {};           // "/api/v1.0/servers/expiration/{domain}"; empty: none
  std::string_view fields = {};         // besides, in query or body: "ip? wait?"; ? for optional
  RestErrors errors = RestErrors::problem;
  std::string_view summary = {};  // where it isn't the command's
  bool immediate = false;         // answered without asking the service
};
inline constexpr std::size_t kRoutesMost = 2;  // of one command

struct CommandRow {
  std::string_view name;
  std::string_view arguments = {};  // as help writes them: "domain name[:port] [wait seconds]"
  Kind kind = Kind::read;
  Access access = Access::everyone;
  std::string_view summary;    // what it does, one clause
  std::string_view data = {};  // shape of the data line, empty for none
  std::string_view example;
  std::array<RouteRow, kRoutesMost> routes = {};  // those with a path
  std::span<const ErrorKind> errors = {};         // documented of its routes, besides those of any

  // row() makes these.
  Result<Request> (*build)(const Arguments&) = nullptr;
  ArgumentSet takes = 0, needs = 0;
  std::size_t request = 0, reply = 0;  // which alternatives of Request and ReplyBody
};

// The rows by family, and altogether in the order of the families.
enum class Family : std::uint8_t { keys, names, daemon, account, tokens, mail, administration };
std::span<const CommandRow> command_table(Family family);
std::span<const CommandRow> command_table();

const CommandRow* find_command(std::string_view lower_case_name);
const CommandRow& command_of(const Request& request);

// "command add domain name[:port] apikey K [starttls protocol] …": how a row is written.
std::string command_usage(const CommandRow& row);

// The table as Markdown: what stands in PROTOCOL.md between its `commands` markers.
std::string commands_markdown();

// A row and the values of a request. Errors: malformed (a key that the row doesn't take, or one
// that it needs is missing), invalid_value, refused.
Result<Request> build_request(const CommandRow& row, const Pairs& pairs, const DomainRules& rules);

// The same of texts by key, as another wire than the line has them; absent ones are left out.
// Errors: also those of Pairs::put().
struct ArgumentText {
  std::string_view key, value;
};
Result<Request> parse_arguments(const CommandRow& row, std::span<const ArgumentText> arguments,
                                const DomainRules& rules);

}  // namespace certline
