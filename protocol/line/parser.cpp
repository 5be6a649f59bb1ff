// Cuts a line into keys and values in one pass, without copying; command_table.cpp makes the
// Request. line/session.cpp calls it for each line, next on the way.
#include "protocol/line/parser.hpp"

#include <algorithm>

namespace certline::line {
namespace {

Error malformed(std::string detail) {
  return {ErrorKind::malformed, std::move(detail), 0};
}

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// Cuts off the next token. A control byte ends the walk: `control` is set.
std::string_view next_token(std::string_view& rest, bool& control) {
  std::size_t start = 0;
  while (start < rest.size() && is_blank(rest[start])) ++start;
  std::size_t end = start;
  for (; end < rest.size() && !is_blank(rest[end]); ++end) {
    const auto byte = static_cast<unsigned char>(rest[end]);
    if (byte < 0x20 || byte == 0x7f) control = true;
  }
  const std::string_view token = rest.substr(start, end - start);
  rest.remove_prefix(end);
  return token;
}

Result<Pairs> read_pairs(std::string_view line) {
  Pairs pairs;
  bool control = false;
  while (true) {
    const std::string_view key = next_token(line, control);
    const std::string_view value = next_token(line, control);
    if (control) return malformed("the line holds a control byte; send plain text, one line");
    if (key.empty()) return pairs;
    const auto stored = pairs.put(key, value);
    if (!stored) return stored.error();
  }
}

}  // namespace

std::optional<PlainExpiration> plain_expiration(std::string_view line) {
  static constexpr std::string_view kOpening = "command expiration domain ";
  static constexpr std::string_view kMiddle = " apikey ";
  if (!line.starts_with(kOpening)) return std::nullopt;
  line.remove_prefix(kOpening.size());
  const std::size_t blank = line.find(' ');
  if (blank == line.npos || !line.substr(blank).starts_with(kMiddle)) return std::nullopt;
  return PlainExpiration{line.substr(0, blank), line.substr(blank + kMiddle.size())};
}

Result<Request> parse_line(std::string_view line, const DomainRules& rules) {
  const auto pairs = read_pairs(line);
  if (!pairs) return pairs.error();
  const std::string_view name = (*pairs)[Argument::command];
  if (name.empty()) return malformed("no command is given; command help lists them");
  const auto rows = command_table();
  const auto row = std::find_if(rows.begin(), rows.end(),
                                [&](const CommandRow& r) { return same_word(name, r.name); });
  if (row == rows.end()) {
    return malformed("unknown command " + quoted(name) + "; command help lists them");
  }
  return build_request(*row, *pairs, rules);
}

}  // namespace certline::line
