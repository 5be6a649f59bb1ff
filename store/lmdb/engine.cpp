// LMDB as the store's engine, and opening a store in it. Next on the way: environment.cpp.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "store/lmdb/open.hpp"
#include "store/lmdb/transactions.hpp"

namespace certline::store::lmdb {
namespace {

constexpr std::chrono::minutes kReaderCheckInterval{1};

// Held as long as the store is open for writing: one daemon per directory.
class DirectoryLock {
 public:
  DirectoryLock() = default;
  ~DirectoryLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

  Result<void> take(const std::string& directory) {
    const std::string path = directory + "/lock";
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd_ < 0) return Error{ErrorKind::unavailable, path + ": " + std::strerror(errno)};
    if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return {};
    if (errno == EWOULDBLOCK)
      return Error{ErrorKind::refused,
                   "store " + directory + " is in use by another daemon: stop that one first"};
    return Error{ErrorKind::unavailable, path + ": " + std::strerror(errno)};
  }

 private:
  int fd_ = -1;
};

class LmdbEngine final : public Engine {
 public:
  LmdbEngine(std::unique_ptr<DirectoryLock> lock, std::shared_ptr<Environment> environment)
      : lock_(std::move(lock)), environment_(std::move(environment)), readers_(*environment_) {}

  std::unique_ptr<Snapshot, Release> read() override { return readers_.take(); }
  std::unique_ptr<Transaction, Release> write() override {
    return std::unique_ptr<Transaction, Release>(new WriteTransaction(*environment_));
  }
  std::uint64_t newest() const override { return environment_->last_transaction(); }
  double measure_used_fraction() override {
    const double used = environment_->measure_used_fraction();
    const auto now = std::chrono::steady_clock::now();
    if (now - readers_checked_ >= kReaderCheckInterval) {
      readers_checked_ = now;
      environment_->clear_stale_readers();
    }
    return used;
  }

 private:
  std::unique_ptr<DirectoryLock> lock_;  // given up last
  std::shared_ptr<Environment> environment_;
  ReaderPool readers_;
  std::chrono::steady_clock::time_point readers_checked_ = std::chrono::steady_clock::now();
};

}  // namespace

Result<std::unique_ptr<Store>> open(const StoreSettings& settings) {
  std::unique_ptr<DirectoryLock> lock;
  if (!settings.read_only) {
    if (const auto made = make_directory(settings.path); !made) return made.error();
    lock = std::make_unique<DirectoryLock>();
    if (const auto taken = lock->take(settings.path); !taken) return taken.error();
  }
  const auto mode =
      settings.read_only ? Environment::Mode::read_only : Environment::Mode::read_write;
  auto environment =
      Environment::open(settings.path, settings.map_size, mode, {running_library(), settings.note});
  if (!environment) return environment.error();
  return std::make_unique<Store>(
      std::make_unique<LmdbEngine>(std::move(lock), std::move(*environment)), !settings.read_only);
}

}  // namespace certline::store::lmdb
