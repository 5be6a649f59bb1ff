// The environment of a configured program, and how it ends.
#include "daemon/notices/run_program.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <sstream>

#include "tests/unit/daemon/runtime/temporary_directory.hpp"

namespace certline::notices {

using namespace runtime;
namespace {

const std::atomic<bool> kGoOn{false};

ProgramEnd shell(const std::string& script, ProgramRun run = {}) {
  run.command = {"/bin/sh", "-c", script};
  auto end = run_program(run, kGoOn);
  REQUIRE(end.has_value());
  return *end;
}

}  // namespace

TEST_CASE("a program gets its input, and its output and status come back") {
  ProgramRun run;
  run.input = std::string(200'000, 'x') + "end";
  CHECK(shell("tail -c 3; echo oops >&2; exit 7", run).output == "endoops\n");
  CHECK(shell("exit 7").status == 7);
  CHECK(shell("kill -TERM $$").status == 128 + SIGTERM);
  CHECK_FALSE(shell("exit 7").late);
}

TEST_CASE("nothing is inherited but what is meant to be") {
  ::setenv("CERTLINE_UNWANTED", "1", 1);
  ProgramRun run;
  run.environment = {"CERTLINE_EVENT=test"};
  std::istringstream lines(shell("exec env", run).output);
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);)
    names.push_back(line.substr(0, line.find('=')));
  std::sort(names.begin(), names.end());
  // PWD and such come from shells, not from us.
  for (const char* wanted : {"CERTLINE_EVENT", "LANG", "PATH"}) {
    CHECK(std::count(names.begin(), names.end(), wanted) == 1);
  }
  CHECK(std::count(names.begin(), names.end(), "CERTLINE_UNWANTED") == 0);
  CHECK(std::count(names.begin(), names.end(), "HOME") == 0);

  const int leaking = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC
  REQUIRE(leaking > 2);
  const std::string open = shell("ls /proc/$$/fd").output;
  ::close(leaking);
  CHECK(open == "0\n1\n2\n");
  CHECK(shell("pwd").output == "/\n");
  CHECK(shell("grep NoNewPrivs /proc/self/status | tr -d '[:space:]'").output == "NoNewPrivs:1");
  CHECK(shell("grep -E 'Sig(Ign|Blk)' /proc/self/status | tr -d '[:space:]'").output ==
        "SigBlk:0000000000000000SigIgn:0000000000000000");
  CHECK(shell("test \"$(cut -d' ' -f5 /proc/$$/stat)\" = $$ && echo own").output == "own\n");
}

TEST_CASE("rights are dropped where root names a user") {
  ProgramRun run;
  run.user = "nobody";
  if (::geteuid() != 0) {
    run.command = {"/bin/true"};
    CHECK(run_program(run, kGoOn).error().kind == ErrorKind::refused);
    return;
  }
  CHECK(shell("id -un; id -Gn; grep -E '^Groups' /proc/self/status | wc -w", run).output ==
        "nobody\nnogroup\n2\n");
  CHECK(shell("cat",
              [&] {
                ProgramRun with_input = run;
                with_input.input = "read";
                return with_input;
              }())
            .output == "read");
}

TEST_CASE("a program that lingers is killed with what it started") {
  TemporaryDirectory dir;
  ProgramRun run;
  run.deadline = std::chrono::milliseconds(300);
  // Both hold the lock as long as they live.
  const std::string lock = dir.path + "/lock";
  const std::string hold = "exec 9>" + lock + "; flock 9; ";
  const ProgramEnd end = shell(hold + "echo begun; cat /dev/zero >/dev/null & wait", run);
  CHECK(end.late);
  CHECK(end.status == 128 + SIGKILL);
  CHECK(end.output == "begun\n");
  CHECK(shell("flock " + lock + " echo free").output == "free\n");
  // One that ends in time doesn't leave anything behind, either, and nobody waits for it.
  CHECK(shell(hold + "cat /dev/zero >/dev/null & exit 3").status == 3);
  CHECK(shell("flock " + lock + " echo free").output == "free\n");
}

TEST_CASE("output is capped, and none of it holds the program up") {
  const ProgramEnd end = shell("head -c 1000000 /dev/zero | tr '\\0' x; echo done >&2; exit 4");
  CHECK(end.status == 4);
  CHECK(end.output == std::string(kProgramOutputBytes, 'x'));
}

TEST_CASE("what cannot be started says why") {
  ProgramRun run;
  run.command = {"/nowhere/program"};
  CHECK(run_program(run, kGoOn).error().detail ==
        "cannot run \"/nowhere/program\": No such file or directory");
  run.user = "nobody-of-that-name";
  CHECK(run_program(run, kGoOn).error().kind == ErrorKind::refused);
}

TEST_CASE("a stop ends a program") {
  ProgramRun run;
  run.command = {"/bin/cat", "/dev/zero"};
  run.deadline = std::chrono::minutes(10);
  const std::atomic<bool> stopped{true};
  CHECK(run_program(run, stopped).error().detail == "stopped");
}

}  // namespace certline::notices
