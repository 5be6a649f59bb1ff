#pragma once
// The daemon as a process: starts its parts, watches signals and the supervisor, stops it all.

#include <string>

namespace certline::daemon {

// Runs until SIGTERM or SIGINT. Returns the exit status: 0 after an orderly end, 1 when it could
// not start or the store became unusable (one clear line says why).
int serve(const std::string& config_file);

// From here on an exception that nobody caught, in any thread, ends the process with status 1 and
// one line on standard error that names it.
void die_in_words();

}  // namespace certline::daemon
