// Preloaded into certlined: the n-th allocation fails, in C++ code or in a C library. It calls the
// C library's own entry points, so that no symbol look-up needs memory.
#include <dlfcn.h>
#include <sys/socket.h>

#include <cerrno>

#include "countdown.hpp"

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
}

namespace {

constexpr const char* kCall = "allocation";

bool refused() {
  if (!certline::faults::fails(kCall)) return false;
  errno = ENOMEM;
  return true;
}

int guest(int fd) {
  if (fd >= 0) certline::faults::plan().counting = true;
  return fd;
}

}  // namespace

extern "C" {

void* malloc(std::size_t size) {
  return refused() ? nullptr : __libc_malloc(size);
}

void* calloc(std::size_t count, std::size_t size) {
  return refused() ? nullptr : __libc_calloc(count, size);
}

void* realloc(void* old, std::size_t size) {
  return refused() ? nullptr : __libc_realloc(old, size);
}

void* memalign(std::size_t alignment, std::size_t size) {
  return refused() ? nullptr : __libc_memalign(alignment, size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return refused() ? nullptr : __libc_memalign(alignment, size);
}

int posix_memalign(void** out, std::size_t alignment, std::size_t size) {
  if (refused()) return ENOMEM;
  *out = __libc_memalign(alignment, size);
  return *out == nullptr ? ENOMEM : 0;
}

int accept(int fd, sockaddr* address, socklen_t* size) {
  static const auto next = reinterpret_cast<decltype(&::accept)>(::dlsym(RTLD_NEXT, "accept"));
  return guest(next(fd, address, size));
}

int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  static const auto next = reinterpret_cast<decltype(&::accept4)>(::dlsym(RTLD_NEXT, "accept4"));
  return guest(next(fd, address, size, flags));
}

}  // extern "C"
