#pragma once
// One run of a configured program, which inherits as little of the daemon as possible. It blocks.
// Thread-safe.

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "protocol/error.hpp"

namespace certline::notices {

struct ProgramRun {
  std::vector<std::string> command;      // the program's whole path first
  std::vector<std::string> environment;  // "NAME=value"; besides PATH and LANG all there is
  std::string input;                     // on standard input, a file that is at its beginning
  std::string user;  // with its groups; empty: whoever runs the daemon. Only root may run as others
  std::chrono::milliseconds deadline{10'000};
};
inline constexpr std::size_t kProgramOutputBytes = 4096;

struct ProgramEnd {
  int status = 0;      // of exit(); 128 and the signal's number where one ended it
  bool late = false;   // killed at its deadline
  std::string output;  // the first kProgramOutputBytes of both outputs
};

// It runs in / in a process group of its own, with no descriptor but 0, 1 and 2, and gains no
// rights from what it executes. When it ends, or at the deadline, what is left of its group is
// killed.
// Errors: refused (this user may not be taken), unavailable (it cannot be started, or `cancelled`).
Result<ProgramEnd> run_program(const ProgramRun& run, const std::atomic<bool>& cancelled);

}  // namespace certline::notices
