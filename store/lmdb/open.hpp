#pragma once
// Opens a store in LMDB, and makes and restores copies of it. store/FORMAT.md fixes the bytes.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "store/store.hpp"

namespace certline::store::lmdb {

struct StoreSettings {
  std::string path;                      // a directory; created with mode 700 if missing
  std::uint64_t map_size = 16ull << 30;  // sparse; the most the file can grow to
  bool read_only = false;
  // Told in one sentence, for the log, when the file is opened without a check of its pages.
  std::function<void(const std::string&)> note = {};
};

// Errors: unavailable (cannot open, damaged), refused (newer schema, locked by another daemon).
Result<std::unique_ptr<Store>> open(const StoreSettings& settings);

// Both run in a process of their own beside the daemon, or on a store open in this process.
// A consistent, compacted copy; while others read and write. DIR must not exist or be empty.
Result<void> backup(const StoreSettings& from, const std::string& dir);
// Replaces the contents by those of a backup in one transaction, also under a running daemon.
// The backup is read and checked whole first; on an error nothing has changed. Identities given
// out since the backup are not given out again.
Result<void> restore(const StoreSettings& into, const std::string& dir);

}  // namespace certline::store::lmdb
