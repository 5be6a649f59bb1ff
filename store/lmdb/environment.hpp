#pragma once
// One LMDB environment and its tables. No other header shows lmdb.h. LMDB demands that a process
// opens a path only once, because closing a second handle drops the file locks of the first. So a
// register for the whole process hands out the same Environment again.

#include <lmdb.h>

#include <array>
#include <bitset>
#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "protocol/error.hpp"
#include "store/codec.hpp"
#include "store/errors.hpp"
#include "store/tables.hpp"

namespace certline::store::lmdb {

// Throws the exception that belongs to an LMDB return code other than MDB_SUCCESS.
void must_succeed(int code, const char* what);

// Of the library that is loaded, which need not be the one of lmdb.h.
struct LibraryVersion {
  int major = 0, minor = 0, patch = 0;
  auto operator<=>(const LibraryVersion&) const = default;
};
LibraryVersion running_library();

class Environment {
 public:
  enum class Mode : std::uint8_t {
    read_write,  // creates what is missing
    read_only,   // beside other processes that may write
    parked,      // a backup: nobody writes it, no lock file is made
  };

  // How the pages are checked before LMDB follows them.
  struct Opening {
    LibraryVersion library = running_library();
    std::function<void(const std::string&)> note = {};  // told why they are not
  };
  // `map_size` 0: what the file says. Errors: unavailable, refused (newer format).
  static Result<std::shared_ptr<Environment>> open(const std::string& path, std::uint64_t map_size,
                                                   Mode mode, const Opening& opening);
  static Result<std::shared_ptr<Environment>> open(const std::string& path, std::uint64_t map_size,
                                                   Mode mode) {
    return open(path, map_size, mode, Opening{});
  }
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  MDB_env* raw() const { return env_; }
  MDB_dbi table(Table table) const { return tables_[static_cast<std::size_t>(table)]; }
  // False for a table that an older format doesn't have, in a store opened for reading: it holds
  // nothing then.
  bool has(Table which) const { return table(which) != kNoTable; }
  MetaRecord read_meta(MDB_txn* txn) const;
  // In this program's format, with a secret if there is none.
  void write_meta(MDB_txn* txn, MetaRecord meta) const;
  // Fills account_keys, which is empty, from keys: older formats don't have it. Rows of keys that
  // fail their checksum have no entry, as nobody can read them.
  void index_keys(MDB_txn* txn) const;
  // Had a row with a wrong checksum when it was opened. Perhaps the row's key is what is wrong:
  // what is not found there may have existed.
  bool has_unsound_rows(Table table) const { return unsound_[static_cast<std::size_t>(table)]; }
  std::uint64_t map_size() const;
  // Pages in use over pages the map can hold: the highest page ever used, less the free pages that
  // the free list names (at most kFreeListRecords of its records are read).
  double measure_used_fraction() const;
  void clear_stale_readers() const;
  std::uint64_t last_transaction() const;  // the newest committed one, of any process

 private:
  static constexpr std::size_t kFreeListRecords = 4096;
  static constexpr MDB_dbi kNoTable = 0;  // the number of LMDB's free list

  Environment() = default;
  static Result<std::unique_ptr<Environment>> open_new(const std::string& path,
                                                       std::uint64_t map_size, Mode mode,
                                                       const Opening& opening);
  static void make_data_file(const std::string& path, std::uint64_t map_size);
  void open_tables(bool create);
  std::uint32_t check_format(MDB_txn* txn, bool create) const;  // 0: the store is made just now
  void upgrade(MDB_txn* txn) const;

  MDB_env* env_ = nullptr;
  std::array<MDB_dbi, kTableCount> tables_{};
  std::bitset<kTableCount> unsound_;
};

// A transaction that is aborted unless it was committed.
class RawTransaction {
 public:
  RawTransaction(const Environment& environment, bool writes);
  ~RawTransaction();
  RawTransaction(const RawTransaction&) = delete;
  RawTransaction& operator=(const RawTransaction&) = delete;
  MDB_txn* raw() const { return txn_; }
  int commit();  // LMDB's code; the transaction is gone either way and must not be aborted

 private:
  MDB_txn* txn_ = nullptr;
};

class Cursor {
 public:
  Cursor(MDB_txn* txn, MDB_dbi table);
  ~Cursor();
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  bool seek(ByteView at_or_after);  // false: no such entry
  bool first();
  bool next();
  ByteView key() const;
  ByteView value() const;
  MDB_cursor* raw() const { return cursor_; }

 private:
  bool move(MDB_cursor_op op);
  MDB_cursor* cursor_ = nullptr;
  MDB_val key_{}, value_{};
};

inline MDB_val to_value(ByteView bytes) {
  return {bytes.size(), const_cast<std::uint8_t*>(bytes.data())};
}
inline ByteView to_bytes(const MDB_val& value) {
  return {static_cast<const std::uint8_t*>(value.mv_data), value.mv_size};
}

// Directories. Errors as text of the system.
Result<void> make_directory(const std::string& path);  // mode 700, with parents; no error if there
Result<void> sync_directory(const std::string& path);

}  // namespace certline::store::lmdb
