// The one line that Nagios and similar systems read: the state in the words of their plugins, and
// figures behind a bar. Both wires answer `check` with it: line/render.cpp and rest/render.cpp.
#include <fmt/format.h>

#include <array>

#include "protocol/requests/names.hpp"

namespace certline {

std::string_view check_state_name(CheckState state) {
  static constexpr std::array<std::string_view, 4> kNames{"OK", "WARNING", "CRITICAL", "UNKNOWN"};
  return kNames.at(static_cast<std::size_t>(state));
}

std::string check_line(const CheckResult& result) {
  return fmt::format("{} - {}: {} | days_left={};{};0", check_state_name(result.state),
                     result.domain, result.text,
                     result.days_left ? std::to_string(*result.days_left) : "U", result.due_days);
}

}  // namespace certline
