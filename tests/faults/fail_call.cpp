// Preloaded into certlined: the n-th call of a chosen kind fails. With FAULT_TRACE it records all
// writes to the store, what clients send, and what they are told, in true order. A reply is
// recorded before it leaves, a write after it returned. So either a reply comes after the sync that
// makes it durable, or the trace shows that it does not.
//
// A record is a line and, where it says so, that many bytes:
//   W FILE OFFSET SIZE DURABLE   written; DURABLE 1: through a descriptor that syncs each write
//   S FILE                       synced
//   T FILE SIZE                  cut or extended
//   ? FILE                       a call that the replay does not know
//   R PORT SIZE, A PORT SIZE     received from, sent to the client with that port
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <mutex>

#include "countdown.hpp"

namespace {

using certline::faults::fails;
using certline::faults::how_errno;
using certline::faults::how_is;

// The real function, or the next preloaded one.
template <class Function>
Function* next_of(const char* name, Function*) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}
#define NEXT(name)                                  \
  ([]() {                                           \
    static auto* const f = next_of(#name, &::name); \
    return f;                                       \
  }())

int fail() {
  errno = how_errno();
  return -1;
}

// What a descriptor is.
enum class Kind { other, file, stream, datagram };

Kind kind_of(int fd) {
  const int saved = errno;
  struct stat about {};
  Kind kind = Kind::other;
  if (::fstat(fd, &about) == 0) {
    if (S_ISREG(about.st_mode)) kind = Kind::file;
    if (S_ISSOCK(about.st_mode)) {
      int domain = 0, type = 0;
      socklen_t size = sizeof domain;
      ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
      size = sizeof type;
      ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
      if (domain == AF_INET || domain == AF_INET6) {
        kind = type == SOCK_DGRAM ? Kind::datagram : Kind::stream;
      }
    }
  }
  errno = saved;
  return kind;
}

// The trace.
class Trace {
 public:
  Trace() {
    const char* path = std::getenv("FAULT_TRACE");
    if (path == nullptr) return;
    fd_ = NEXT(open)(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
  }
  bool on() const { return fd_ >= 0; }

  void record(const char* head, const iovec* parts = nullptr, int count = 0,
              std::size_t most = SIZE_MAX) {
    const std::lock_guard lock(mutex_);
    put(head, std::strlen(head));
    put("\n", 1);
    for (int i = 0; i < count && most > 0; ++i) {
      const std::size_t size = std::min(parts[i].iov_len, most);
      put(static_cast<const char*>(parts[i].iov_base), size);
      most -= size;
    }
  }

 private:
  void put(const char* bytes, std::size_t size) const {
    while (size > 0) {
      const ssize_t done = NEXT(write)(fd_, bytes, size);
      if (done <= 0) ::_exit(99);
      bytes += done;
      size -= static_cast<std::size_t>(done);
    }
  }
  int fd_ = -1;
  std::mutex mutex_;
};

Trace& trace() {
  static Trace instance;
  return instance;
}

// The name of a file in the store's directory; empty for everything else, and for lock files.
struct StoreFile {
  char path[PATH_MAX] = {};
  const char* name = nullptr;

  explicit StoreFile(int fd) {
    const char* store = std::getenv("FAULT_STORE");
    if (store == nullptr || !trace().on()) return;
    char link[64];
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t size = ::readlink(link, path, sizeof path - 1);
    const std::size_t length = std::strlen(store);
    if (size <= 0 || std::strncmp(path, store, length) != 0 || path[length] != '/') return;
    if (std::strncmp(path + length + 1, "lock", 4) != 0) name = path + length + 1;
  }
};

void note_written(int fd, const iovec* parts, int count, off_t at, ssize_t done) {
  if (!trace().on() || done <= 0) return;
  const int saved = errno;
  const StoreFile file(fd);
  if (file.name != nullptr) {
    const bool durable = (::fcntl(fd, F_GETFL) & O_DSYNC) != 0;
    char head[PATH_MAX + 64];
    std::snprintf(head, sizeof head, "W %s %lld %zd %d", file.name, static_cast<long long>(at),
                  done, durable ? 1 : 0);
    trace().record(head, parts, count, static_cast<std::size_t>(done));
  }
  errno = saved;
}

void note_file(const char* what, int fd, long long number = -1) {
  if (!trace().on()) return;
  const int saved = errno;
  const StoreFile file(fd);
  if (file.name != nullptr) {
    char head[PATH_MAX + 64];
    if (number >= 0) {
      std::snprintf(head, sizeof head, "%s %s %lld", what, file.name, number);
    } else {
      std::snprintf(head, sizeof head, "%s %s", what, file.name);
    }
    trace().record(head);
  }
  errno = saved;
}

void note_said(const char* what, int fd, const iovec* parts, int count, std::size_t size) {
  if (!trace().on() || kind_of(fd) != Kind::stream) return;
  const int saved = errno;
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) == 0) {
    const auto port = peer.ss_family == AF_INET ? reinterpret_cast<sockaddr_in*>(&peer)->sin_port
                                                : reinterpret_cast<sockaddr_in6*>(&peer)->sin6_port;
    char head[64];
    std::snprintf(head, sizeof head, "%s %u %zu", what, ntohs(port), size);
    trace().record(head, parts, count, size);
  }
  errno = saved;
}

std::size_t total(const iovec* parts, int count) {
  std::size_t size = 0;
  for (int i = 0; i < count; ++i) size += parts[i].iov_len;
  return size;
}

// Writes to a file, all of them by way of pwritev's form.
template <class Real>
ssize_t write_file(int fd, const iovec* parts, int count, off_t at, const Real& real) {
  iovec half{};
  if (fails("write")) {
    if (!how_is("short")) return fail();
    half = {parts[0].iov_base, std::max<std::size_t>(parts[0].iov_len / 2, 1)};
    parts = &half;
    count = 1;
  }
  const ssize_t done = real(parts, count);
  note_written(fd, parts, count, at, done);
  return done;
}

// What leaves through a socket, and what comes.
template <class Real>
ssize_t send_out(int fd, const iovec* parts, int count, const Real& real) {
  const Kind kind = kind_of(fd);
  if (kind == Kind::stream && fails("send")) return fail();
  if (kind == Kind::datagram && fails("dns_question")) return fail();
  note_said("A", fd, parts, count, total(parts, count));
  return real();
}

template <class Real>
ssize_t take_in(int fd, void* bytes, const Real& real) {
  const Kind kind = kind_of(fd);
  if (kind == Kind::stream && fails("receive")) return fail();
  if (kind == Kind::datagram && fails("dns_answer")) {
    if (!how_is("drop")) return fail();
    real();
    errno = EAGAIN;
    return -1;
  }
  const ssize_t got = real();
  if (got > 0) {
    const iovec part{bytes, static_cast<std::size_t>(got)};
    note_said("R", fd, &part, 1, part.iov_len);
  }
  return got;
}

}  // namespace

extern "C" {

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) {
  const iovec part{const_cast<void*>(bytes), size};
  return write_file(fd, &part, 1, at, [&](const iovec* parts, int) {
    return NEXT(pwrite)(fd, parts->iov_base, parts->iov_len, at);
  });
}

ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t at) {
  return pwrite(fd, bytes, size, at);
}

ssize_t pwritev(int fd, const iovec* parts, int count, off_t at) {
  return write_file(fd, parts, count, at,
                    [&](const iovec* p, int n) { return NEXT(pwritev)(fd, p, n, at); });
}

ssize_t writev(int fd, const iovec* parts, int count) {
  const auto real = [fd](const iovec* p, int n) { return NEXT(writev)(fd, p, n); };
  const Kind kind = kind_of(fd);
  if (kind == Kind::file) {
    return write_file(fd, parts, count, ::lseek(fd, 0, SEEK_CUR), real);
  }
  if (kind == Kind::other) return real(parts, count);
  return send_out(fd, parts, count, [&] { return real(parts, count); });
}

ssize_t write(int fd, const void* bytes, size_t size) {
  const iovec part{const_cast<void*>(bytes), size};
  const auto real = [fd](const iovec* parts, int) {
    return NEXT(write)(fd, parts->iov_base, parts->iov_len);
  };
  const Kind kind = kind_of(fd);
  if (kind == Kind::file) {
    return write_file(fd, &part, 1, ::lseek(fd, 0, SEEK_CUR), real);
  }
  if (kind == Kind::other) return real(&part, 1);
  return send_out(fd, &part, 1, [&] { return real(&part, 1); });
}

int fdatasync(int fd) {
  if (fails("sync")) return fail();
  const int code = NEXT(fdatasync)(fd);
  if (code == 0) note_file("S", fd);
  return code;
}

int fsync(int fd) {
  if (fails("sync")) return fail();
  const int code = NEXT(fsync)(fd);
  if (code == 0) note_file("S", fd);
  return code;
}

int msync(void* begin, size_t size, int flags) {
  if (fails("sync")) return fail();
  return NEXT(msync)(begin, size, flags);
}

int ftruncate(int fd, off_t size) {
  if (fails("file")) return fail();
  const int code = NEXT(ftruncate)(fd, size);
  if (code == 0) note_file("T", fd, size);
  return code;
}

int posix_fallocate(int fd, off_t at, off_t size) {
  note_file("?", fd);
  return NEXT(posix_fallocate)(fd, at, size);
}

int fallocate(int fd, int mode, off_t at, off_t size) {
  note_file("?", fd);
  return NEXT(fallocate)(fd, mode, at, size);
}

int flock(int fd, int operation) {
  return fails("file") ? fail() : NEXT(flock)(fd, operation);
}

int mkdir(const char* path, mode_t mode) {
  return fails("file") ? fail() : NEXT(mkdir)(path, mode);
}

void* mmap(void* begin, size_t size, int protection, int flags, int fd, off_t at) {
  if (fails("map")) {
    errno = how_errno();
    return MAP_FAILED;
  }
  return NEXT(mmap)(begin, size, protection, flags, fd, at);
}

int open(const char* path, int flags, ...) {
  std::va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return fails("open") ? fail() : NEXT(open)(path, flags, mode);
}

int accept(int fd, sockaddr* address, socklen_t* size) {
  if (fails("accept")) return fail();
  const int guest = NEXT(accept)(fd, address, size);
  if (guest >= 0) certline::faults::plan().counting = true;
  return guest;
}

int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  if (fails("accept")) return fail();
  const int guest = NEXT(accept4)(fd, address, size, flags);
  if (guest >= 0) certline::faults::plan().counting = true;
  return guest;
}

int connect(int fd, const sockaddr* address, socklen_t size) {
  const Kind kind = kind_of(fd);
  if (kind == Kind::stream && fails("connect")) return fail();
  if (kind == Kind::datagram && fails("dns_question")) return fail();
  return NEXT(connect)(fd, address, size);
}

int socket(int domain, int type, int protocol) {
  return fails("socket") ? fail() : NEXT(socket)(domain, type, protocol);
}

int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) {
  return fails("epoll_ctl") ? fail() : NEXT(epoll_ctl)(epoll, operation, fd, event);
}

int epoll_wait(int epoll, epoll_event* events, int most, int timeout) {
  return fails("epoll_wait") ? fail() : NEXT(epoll_wait)(epoll, events, most, timeout);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*),
                   void* argument) {
  if (fails("thread")) return how_errno();
  return NEXT(pthread_create)(thread, attributes, run, argument);
}

ssize_t send(int fd, const void* bytes, size_t size, int flags) {
  const iovec part{const_cast<void*>(bytes), size};
  return send_out(fd, &part, 1, [&] { return NEXT(send)(fd, bytes, size, flags); });
}

ssize_t sendto(int fd, const void* bytes, size_t size, int flags, const sockaddr* to,
               socklen_t length) {
  const iovec part{const_cast<void*>(bytes), size};
  return send_out(fd, &part, 1, [&] { return NEXT(sendto)(fd, bytes, size, flags, to, length); });
}

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  return send_out(fd, message->msg_iov, static_cast<int>(message->msg_iovlen),
                  [&] { return NEXT(sendmsg)(fd, message, flags); });
}

ssize_t recvmsg(int fd, msghdr* message, int flags) {
  return take_in(fd, message->msg_iov->iov_base, [&] { return NEXT(recvmsg)(fd, message, flags); });
}

ssize_t recv(int fd, void* bytes, size_t size, int flags) {
  return take_in(fd, bytes, [&] { return NEXT(recv)(fd, bytes, size, flags); });
}

ssize_t recvfrom(int fd, void* bytes, size_t size, int flags, sockaddr* from, socklen_t* length) {
  return take_in(fd, bytes, [&] { return NEXT(recvfrom)(fd, bytes, size, flags, from, length); });
}

ssize_t read(int fd, void* bytes, size_t size) {
  if (kind_of(fd) == Kind::file && fails("read")) return fail();
  return take_in(fd, bytes, [&] { return NEXT(read)(fd, bytes, size); });
}

}  // extern "C"
