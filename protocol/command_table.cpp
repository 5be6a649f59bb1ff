// Puts the families' rows together and finds the row of a name or a Request. Help lists the
// commands in the order of the families here; the order of the variant means nothing.
// line/parser.cpp and rest/build.cpp are next on the way.
#include "protocol/command_table.hpp"

#include <algorithm>
#include <bit>

#include "protocol/requests/account_rows.hpp"
#include "protocol/requests/administration_rows.hpp"
#include "protocol/requests/daemon_rows.hpp"
#include "protocol/requests/keys_rows.hpp"
#include "protocol/requests/mail_rows.hpp"
#include "protocol/requests/names_rows.hpp"
#include "protocol/requests/tokens_rows.hpp"

namespace certline {
namespace {

using Rows = std::span<const CommandRow>;

// In the order of Family.
constexpr std::array<Rows, 7> kFamilies{kKeyRows,   kNameRows, kDaemonRows,        kAccountRows,
                                        kTokenRows, kMailRows, kAdministrationRows};

constexpr std::size_t kRequests = std::variant_size_v<Request>;

constexpr std::array kCommands = [] {
  std::array<CommandRow, kRequests> all{};
  auto end = all.begin();
  for (const Rows& rows : kFamilies) end = std::copy(rows.begin(), rows.end(), end);
  return all;
}();

consteval bool each_request_has_one_row() {
  for (std::size_t request = 0; request < kRequests; ++request) {
    const auto rows = std::count_if(kCommands.begin(), kCommands.end(),
                                    [&](const CommandRow& row) { return row.request == request; });
    if (rows != 1) return false;
  }
  return true;
}
static_assert(each_request_has_one_row());

// By alternative of Request: where its row is.
constexpr std::array kRowOf = [] {
  std::array<std::uint8_t, kRequests> rows{};
  for (std::size_t i = 0; i < kRequests; ++i) {
    rows[kCommands[i].request] = static_cast<std::uint8_t>(i);
  }
  return rows;
}();

Error malformed(const CommandRow& row, std::string_view objection, std::string_view key) {
  std::string detail = "command ";
  for (const std::string_view part : {row.name, objection, key, std::string_view("; write: ")}) {
    detail += part;
  }
  return {ErrorKind::malformed, detail + command_usage(row), 0};
}

// Why the keys given are not those of the row.
Error arity_error(const CommandRow& row, ArgumentSet given) {
  const ArgumentSet unwanted = given & ~row.takes;
  if (unwanted != 0) {
    return malformed(row, " takes no ",
                     kArguments[static_cast<std::size_t>(std::countr_zero(unwanted))]);
  }
  std::string_view arguments = row.arguments;
  ArgumentForm argument = next_argument(arguments);
  while (argument.optional || (given & argument_bit(argument.key)) != 0) {
    argument = next_argument(arguments);
  }
  return malformed(row, " needs ", argument.key);
}

// A bar would end the cell.
void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
}

void append_cell(std::string& out, std::string_view text) {
  out += " | ";
  if (text.empty()) {
    out += "none";
    return;
  }
  out += '`';
  append_escaped(out, text);
  out += '`';
}

}  // namespace

std::span<const CommandRow> command_table() {
  return kCommands;
}

std::span<const CommandRow> command_table(Family family) {
  const auto place = static_cast<std::size_t>(family);
  std::size_t before = 0;
  for (std::size_t i = 0; i < place; ++i) before += kFamilies.at(i).size();
  return command_table().subspan(before, kFamilies.at(place).size());
}

const CommandRow* find_command(std::string_view lower_case_name) {
  const auto* const row =
      std::find_if(kCommands.begin(), kCommands.end(),
                   [&](const CommandRow& r) { return r.name == lower_case_name; });
  return row == kCommands.end() ? nullptr : row;
}

const CommandRow& command_of(const Request& request) {
  return kCommands[kRowOf[request.index()]];
}

std::string command_usage(const CommandRow& row) {
  std::string out = "command ";
  out += row.name;
  if (!row.arguments.empty()) out += ' ';
  out += row.arguments;
  return out;
}

Result<Request> build_request(const CommandRow& row, const Pairs& pairs, const DomainRules& rules) {
  static constexpr ArgumentSet kCommand = argument_bit(std::size_t{0});
  const ArgumentSet given = pairs.given() & ~kCommand;
  if ((given & ~row.takes) != 0 || (row.needs & ~given) != 0) return arity_error(row, given);
  return row.build(Arguments{pairs, rules});
}

Result<Request> parse_arguments(const CommandRow& row, std::span<const ArgumentText> arguments,
                                const DomainRules& rules) {
  Pairs pairs;
  for (const ArgumentText& argument : arguments) {
    const auto stored = pairs.put(argument.key, argument.value);
    if (!stored) return stored.error();
  }
  return build_request(row, pairs, rules);
}

std::string commands_markdown() {
  std::string out = "| request | what it does | data line |\n| --- | --- | --- |\n";
  for (const CommandRow& row : command_table()) {
    out += "| `";
    append_escaped(out, command_usage(row));
    out += "` | ";
    out += row.summary;
    append_cell(out, row.data);
    out += " |\n";
  }
  return out;
}

}  // namespace certline
