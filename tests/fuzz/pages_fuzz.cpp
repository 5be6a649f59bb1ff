// A data file from arbitrary bytes, opened like a backup before a restore. A file that passes the
// page check must be safe for LMDB to follow, to the last row of every table. Next on the way:
// store/lmdb/page_check.cpp.
#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "store/lmdb/environment.hpp"

namespace {

using namespace certline::store;

// One directory for all inputs; in memory, if the system has such a place.
class Directory {
 public:
  Directory() {
    const bool memory = std::filesystem::is_directory("/dev/shm");
    std::string path = std::string(memory ? "/dev/shm" : "/tmp") + "/certline-XXXXXX";
    if (!::mkdtemp(path.data())) std::abort();
    path_ = path;
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void read_everything(const lmdb::Environment& environment) {
  const lmdb::RawTransaction transaction(environment, false);
  for (std::size_t i = 0; i < kTableCount; ++i) {
    const auto table = static_cast<Table>(i);
    if (!environment.has(table)) continue;
    lmdb::Cursor cursor(transaction.raw(), environment.table(table));
    for (bool more = cursor.first(); more; more = cursor.next()) {
      try {
        check_entry(table, cursor.key(), cursor.value());
      } catch (const CorruptValue&) {
        continue;  // a row by itself may be damaged
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Directory directory;
  const std::string file = directory.path() + "/data.mdb";
  std::filesystem::remove(file);
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  const auto opened = lmdb::Environment::open(directory.path(), 0, lmdb::Environment::Mode::parked);
  if (opened) read_everything(**opened);
  return 0;
}
