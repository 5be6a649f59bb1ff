#pragma once
// The environment says which call fails; this counts down to it and notes that it failed. It is
// preloaded into a program under test, so nothing here allocates or throws.
//
//   FAULT_CALL    the kind of call that counts ("sync", "accept", …; see the sources)
//   FAULT_NTH     which of these calls fails, counted from 1
//   FAULT_HOW     a number: the errno; "short": half is done; "drop": what came is thrown away
//   FAULT_FROM    "guest": counting begins when the first connection is accepted
//   FAULT_REPORT  a file that is made when the call has failed

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace certline::faults {

struct Plan {
  const char* call = std::getenv("FAULT_CALL");
  const char* how = std::getenv("FAULT_HOW");
  const char* report = std::getenv("FAULT_REPORT");
  long nth = std::getenv("FAULT_NTH") == nullptr ? 0 : std::atol(std::getenv("FAULT_NTH"));
  std::atomic<long> count{0};
  std::atomic<bool> counting{std::getenv("FAULT_FROM") == nullptr};
};

inline Plan& plan() {
  static Plan instance;
  return instance;
}

// True for the one call of this kind that has to fail.
inline bool fails(const char* call) {
  if (environ == nullptr) return false;  // a sanitizer's own start comes before
  Plan& p = plan();
  if (p.call == nullptr || p.nth == 0 || !p.counting.load(std::memory_order_relaxed)) return false;
  if (std::strcmp(p.call, call) != 0) return false;
  if (p.count.fetch_add(1) + 1 != p.nth) return false;
  if (p.report != nullptr) {
    const int fd = ::open(p.report, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) ::close(fd);
  }
  return true;
}

inline bool how_is(const char* word) {
  return plan().how != nullptr && std::strcmp(plan().how, word) == 0;
}

inline int how_errno() {
  return plan().how == nullptr ? 0 : std::atoi(plan().how);
}

}  // namespace certline::faults
