// Makes and restores copies of a store while a daemon works on it. A backup is LMDB's own
// compacting copy of one snapshot. A restore replaces all tables in one write transaction: readers
// see either the old contents or the new, and a failure at any point leaves the old.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "store/lmdb/environment.hpp"
#include "store/lmdb/open.hpp"

namespace certline::store::lmdb {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDataFile = "data.mdb";
constexpr const char* kUnfinished = "data.mdb.unfinished";

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int close() {
    const int fd = std::exchange(fd_, -1);
    return fd < 0 ? 0 : ::close(fd);
  }

 private:
  int fd_;
};

Error unavailable(const std::string& what, const std::string& why) {
  return {ErrorKind::unavailable, what + ": " + why};
}

Result<void> make_empty_directory(const std::string& path) {
  std::error_code code;
  if (fs::exists(path, code) && !fs::is_empty(path, code))
    return Error{ErrorKind::refused, path + " exists and is not empty: name a new directory"};
  if (code) return unavailable(path, code.message());
  return make_directory(path);
}

// LMDB 0.9.24 refuses to compact where pages have leaked; a plain copy is just as good a backup.
int copy_to(const Environment& from, int fd) {
  const int code = mdb_env_copyfd2(from.raw(), fd, MDB_CP_COMPACT);
  if (code != MDB_INCOMPATIBLE) return code;
  if (::ftruncate(fd, 0) != 0 || ::lseek(fd, 0, SEEK_SET) != 0) return errno;
  return mdb_env_copyfd2(from.raw(), fd, 0);
}

// True while a daemon has the directory open.
bool in_use(const std::string& directory) {
  const Descriptor lock(::open((directory + "/lock").c_str(), O_RDWR | O_CLOEXEC));
  return lock.get() >= 0 && ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

void check_all(const Environment& backup) {
  const RawTransaction txn(backup, false);
  for (std::size_t i = 0; i < kTableCount; ++i) {
    const auto table = static_cast<Table>(i);
    if (!backup.has(table)) continue;
    Cursor cursor(txn.raw(), backup.table(table));
    for (bool more = cursor.first(); more; more = cursor.next()) {
      try {
        check_entry(table, cursor.key(), cursor.value());
      } catch (const CorruptValue& corrupt) {
        throw CorruptValue(std::string("table ") + table_name(table) + ": " + corrupt.what());
      }
    }
  }
}

void copy_table(const Environment& from, const RawTransaction& source, const Environment& into,
                const RawTransaction& target, Table table) {
  must_succeed(mdb_drop(target.raw(), into.table(table), 0), "clear table");
  if (!from.has(table)) return;
  Cursor read(source.raw(), from.table(table));
  const Cursor write(target.raw(), into.table(table));
  for (bool more = read.first(); more; more = read.next()) {
    MDB_val key = to_value(read.key());
    MDB_val value = to_value(read.value());
    must_succeed(mdb_cursor_put(write.raw(), &key, &value, MDB_APPEND), "write");
  }
}

void replace_all(const Environment& from, const Environment& into) {
  const RawTransaction source(from, false);
  RawTransaction target(into, true);
  MetaRecord meta = from.read_meta(source.raw());
  const MetaRecord current = into.read_meta(target.raw());
  meta.next_account = std::max(meta.next_account, current.next_account);
  meta.next_endpoint = std::max(meta.next_endpoint, current.next_endpoint);
  meta.next_delivery = std::max(meta.next_delivery, current.next_delivery);
  meta.next_audit = std::max(meta.next_audit, current.next_audit);
  if (!meta.secret) meta.secret = current.secret;  // of an older format: links go on working
  for (std::size_t i = 0; i < kTableCount; ++i)
    copy_table(from, source, into, target, static_cast<Table>(i));
  if (!from.has(Table::account_keys)) into.index_keys(target.raw());
  into.write_meta(target.raw(), meta);
  must_succeed(target.commit(), "commit");
}

}  // namespace

Result<void> backup(const StoreSettings& from, const std::string& dir) {
  const auto source = Environment::open(from.path, 0, Environment::Mode::read_only);
  if (!source) return source.error();
  if (const auto made = make_empty_directory(dir); !made) return made.error();
  const std::string unfinished = dir + "/" + kUnfinished;
  const std::string finished = dir + "/" + kDataFile;
  Descriptor file(::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file.get() < 0) return unavailable(unfinished, std::strerror(errno));
  if (const int code = copy_to(**source, file.get()); code != MDB_SUCCESS) {
    ::unlink(unfinished.c_str());
    return unavailable(unfinished, mdb_strerror(code));
  }
  if (::fsync(file.get()) != 0 || file.close() != 0 ||
      ::rename(unfinished.c_str(), finished.c_str()) != 0) {
    const std::string why = std::strerror(errno);
    ::unlink(unfinished.c_str());
    return unavailable(unfinished, why);
  }
  return sync_directory(dir);
}

Result<void> restore(const StoreSettings& into, const std::string& dir) {
  std::error_code code;
  if (!fs::exists(dir + "/" + kDataFile, code))
    return unavailable(dir, "no backup here (there is no data.mdb)");
  if (fs::equivalent(dir, into.path, code))
    return Error{ErrorKind::refused, dir + " is the store itself: name a backup"};
  if (in_use(dir))
    return Error{ErrorKind::refused, dir + " is a store in use: back it up, then restore that"};
  const auto source = Environment::open(dir, 0, Environment::Mode::parked);
  if (!source) return source.error();
  try {
    check_all(**source);
  } catch (const std::runtime_error& failure) {
    return unavailable("backup " + dir, failure.what());
  }
  const auto target = Environment::open(into.path, into.map_size, Environment::Mode::read_write);
  if (!target) return target.error();
  try {
    replace_all(**source, **target);
  } catch (const StoreFull&) {
    return Error{ErrorKind::store_full,
                 "store " + into.path + " has no room for the backup: raise store.map_size"};
  } catch (const std::runtime_error& failure) {
    return unavailable("store " + into.path, failure.what());
  }
  return {};
}

}  // namespace certline::store::lmdb
