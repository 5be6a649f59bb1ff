// Between fork() and execve() only system calls happen, on memory that was laid out before, because
// other threads may have held any lock. Rights are dropped by bare system calls: the C library's
// functions would ask for the help of threads that the child does not have.
#include "daemon/notices/run_program.hpp"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

namespace certline::notices {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr const char* kLanguage = "LANG=C.UTF-8";
constexpr std::chrono::milliseconds kCancelLook{500};
constexpr rlim_t kUsualFiles = 1024;  // what programs that use select() can bear

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { close(); }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

struct Rights {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

Error cannot(const std::string& what, int number) {
  return {ErrorKind::unavailable, "cannot " + what + ": " + std::strerror(number)};
}

// Nothing where there is nothing to change.
Result<std::optional<Rights>> rights_of(const std::string& user) {
  if (user.empty()) return std::optional<Rights>();
  std::vector<char> buffer(16'384);
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr) {
    return Error{ErrorKind::refused, "there is no user " + quoted(user)};
  }
  if (::geteuid() != 0) {
    if (entry.pw_uid == ::geteuid()) return std::optional<Rights>();
    return Error{ErrorKind::refused, "only root may run a program as " + quoted(user)};
  }
  Rights rights{entry.pw_uid, entry.pw_gid, std::vector<gid_t>(256)};
  int count = static_cast<int>(rights.groups.size());
  if (::getgrouplist(user.c_str(), entry.pw_gid, rights.groups.data(), &count) < 0) {
    rights.groups.resize(static_cast<std::size_t>(count));
    ::getgrouplist(user.c_str(), entry.pw_gid, rights.groups.data(), &count);
  }
  rights.groups.resize(static_cast<std::size_t>(count));
  return std::optional<Rights>(std::move(rights));
}

// All that the child needs, laid out before it exists.
struct Plan {
  std::vector<char*> arguments, environment;
  const Rights* rights = nullptr;
  int input = -1, output = -1, trouble = -1;
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  return out;
}

bool drop_rights(const Rights& rights) {
  return ::syscall(SYS_setgroups, rights.groups.size(), rights.groups.data()) == 0 &&
         ::syscall(SYS_setresgid, rights.gid, rights.gid, rights.gid) == 0 &&
         ::syscall(SYS_setresuid, rights.uid, rights.uid, rights.uid) == 0;
}

// Signals as every program expects them: what the daemon ignores would stay ignored.
void usual_signals() {
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &usual, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// The pipe for trouble, moved behind the three that stay, closes itself with execve().
bool arrange_descriptors(const Plan& plan, int trouble) {
  return ::dup2(plan.input, 0) == 0 && ::dup2(plan.output, 1) == 1 && ::dup2(plan.output, 2) == 2 &&
         ::dup3(trouble, 3, O_CLOEXEC) == 3 && ::syscall(SYS_close_range, 4u, ~0u, 0u) == 0;
}

[[noreturn]] void become(const Plan& plan) {
  int trouble = plan.trouble;
  ::setpgid(0, 0);
  usual_signals();
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > kUsualFiles) {
    files.rlim_cur = kUsualFiles;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  bool ready = arrange_descriptors(plan, trouble);
  if (ready) trouble = 3;
  ready = ready && ::chdir("/") == 0 && (plan.rights == nullptr || drop_rights(*plan.rights)) &&
          ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
  if (ready) ::execve(plan.arguments.front(), plan.arguments.data(), plan.environment.data());
  const int number = errno;
  static_cast<void>(!::write(trouble, &number, sizeof number));
  ::_exit(127);
}

// Above the three that the child's own take the place of.
Descriptor high(int fd) {
  const int moved = fd < 0 ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, 10);
  if (fd >= 0) ::close(fd);
  return Descriptor(moved);
}

Descriptor input_file(const std::string& input) {
  Descriptor file = high(::memfd_create("message", MFD_CLOEXEC));
  for (std::size_t at = 0; file && at < input.size();) {
    const ssize_t done =
        ::pwrite(file.get(), input.data() + at, input.size() - at, static_cast<off_t>(at));
    if (done <= 0) return Descriptor();
    at += static_cast<std::size_t>(done);
  }
  return file;
}

struct Pipe {
  Descriptor read, write;
  bool open() {
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return false;
    read = high(ends[0]);
    write = high(ends[1]);
    return read && write;
  }
};

// A child from its start to its reaping.
class Child {
 public:
  Child(pid_t pid, Descriptor pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  ~Child() { end(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  int pidfd() const { return pidfd_.get(); }

  // Kills what is left of the group while the zombie still holds its number; then the status.
  int end() {
    if (pid_ <= 0) return status_;
    ::setpgid(pid_, pid_);  // in case it had no time to
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0 && errno == EINTR) {
    }
    status_ = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    pid_ = -1;
    return status_;
  }

 private:
  pid_t pid_;
  Descriptor pidfd_;
  int status_ = 0;
};

// False at the end of the output.
bool gather(int fd, std::string& output) {
  std::array<char, 4096> some{};
  const ssize_t got = ::read(fd, some.data(), some.size());
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  const auto room = kProgramOutputBytes - output.size();
  output.append(some.data(), std::min(static_cast<std::size_t>(got), room));
  return got > 0;
}

enum class WaitResult { ended, late, cancelled };

WaitResult watch(const Child& child, Descriptor& output, std::string& said,
                 Clock::time_point deadline, const std::atomic<bool>& cancelled) {
  while (true) {
    if (cancelled) return WaitResult::cancelled;
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return WaitResult::late;
    std::array<pollfd, 2> waited{pollfd{child.pidfd(), POLLIN, 0}, pollfd{output.get(), POLLIN, 0}};
    const auto wait = std::min(left, kCancelLook);
    if (::poll(waited.data(), waited.size(), static_cast<int>(wait.count()) + 1) <= 0) continue;
    if (waited[1].revents != 0 && !gather(output.get(), said)) output.close();
    if (waited[0].revents != 0) return WaitResult::ended;
  }
}

// What the child could not do; nothing where it became the program.
std::optional<int> start_trouble(int fd) {
  int number = 0;
  ssize_t got = 0;
  while ((got = ::read(fd, &number, sizeof number)) < 0 && errno == EINTR) {
  }
  return got == sizeof number ? std::optional(number) : std::nullopt;
}

Result<ProgramEnd> follow(Child& child, Descriptor output, const ProgramRun& run,
                          const std::atomic<bool>& cancelled) {
  ProgramEnd end;
  ::fcntl(output.get(), F_SETFL, O_NONBLOCK);
  const WaitResult seen = watch(child, output, end.output, Clock::now() + run.deadline, cancelled);
  // What it said last, as far as it is there: whoever still holds the pipe is not waited for.
  for (int i = 0; output && i < 64; ++i) {
    const std::size_t before = end.output.size();
    if (!gather(output.get(), end.output) || end.output.size() == before) break;
  }
  end.status = child.end();
  end.late = seen == WaitResult::late;
  if (seen == WaitResult::cancelled) return Error{ErrorKind::unavailable, "stopped"};
  return end;
}

}  // namespace

Result<ProgramEnd> run_program(const ProgramRun& run, const std::atomic<bool>& cancelled) {
  if (run.command.empty()) return Error{ErrorKind::refused, "no program is named"};
  const auto rights = rights_of(run.user);
  if (!rights) return rights.error();
  const Descriptor input = input_file(run.input);
  Pipe output, trouble;
  if (!input || !output.open() || !trouble.open()) return cannot("make a pipe", errno);

  Plan plan;
  plan.arguments = pointers(run.command);
  plan.environment = pointers(run.environment);
  plan.environment.push_back(const_cast<char*>(kPath));
  plan.environment.push_back(const_cast<char*>(kLanguage));
  plan.arguments.push_back(nullptr);
  plan.environment.push_back(nullptr);
  plan.rights = *rights ? &**rights : nullptr;
  plan.input = input.get();
  plan.output = output.write.get();
  plan.trouble = trouble.write.get();

  const pid_t pid = ::fork();
  if (pid == 0) become(plan);
  if (pid < 0) return cannot("start a process", errno);
  Child child(pid, Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0u))));
  if (child.pidfd() < 0) return cannot("watch a process", errno);
  output.write.close();
  trouble.write.close();
  if (const auto number = start_trouble(trouble.read.get())) {
    return cannot("run " + quoted(run.command.front()), *number);
  }
  return follow(child, std::move(output.read), run, cancelled);
}

}  // namespace certline::notices
