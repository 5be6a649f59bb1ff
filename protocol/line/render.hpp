#pragma once
// A Reply as the lines that a client reads.

#include <string>

#include "protocol/request.hpp"

namespace certline::line {

// Both lines, each ending in LF, at most kReplyBytes altogether.
std::string render_line(const Reply& reply);
void append_line(std::string& out, const Reply& reply);  // the same, appended
void append_line(std::string& out, const ExpirationReport& report);

}  // namespace certline::line
