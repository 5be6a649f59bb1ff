// Opens an environment: files, reader slots, format version, tables. Every step that could leave a
// half-made store is inside one transaction. A store of a newer format is not touched. Next:
// transactions.cpp, page_check.cpp.
#include "store/lmdb/environment.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>

#include "store/lmdb/page_check.hpp"

namespace certline::store::lmdb {
namespace {

constexpr unsigned kReaderSlots = 1024;
constexpr unsigned kTableSlots = 32;
constexpr mode_t kFileMode = 0600;
constexpr const char* kDataFile = "data.mdb";

struct NewerFormat : std::runtime_error {
  using std::runtime_error::runtime_error;
};

using DirectoryId = std::pair<dev_t, ino_t>;
struct Entry {
  std::unique_ptr<Environment> environment;
  Environment::Mode mode = Environment::Mode::read_only;
  int users = 0;
};

// Opening and closing both happen under the mutex: no path is ever open twice, not even for a
// moment.
struct Register {
  std::mutex mutex;
  std::map<DirectoryId, Entry> entries;
};

Register& open_environments() {
  static Register instance;
  return instance;
}

void release(const DirectoryId& id) {
  Register& all = open_environments();
  const std::lock_guard lock(all.mutex);
  const auto at = all.entries.find(id);
  if (--at->second.users == 0) all.entries.erase(at);
}

Error unavailable(const std::string& path, const std::string& why) {
  return {ErrorKind::unavailable, "store " + path + ": " + why};
}

unsigned open_flags(Environment::Mode mode) {
  switch (mode) {
    case Environment::Mode::read_write:
      return MDB_NOTLS;
    case Environment::Mode::read_only:
      return MDB_NOTLS | MDB_RDONLY;
    case Environment::Mode::parked:
      return MDB_NOTLS | MDB_RDONLY | MDB_NOLOCK;
  }
  return MDB_RDONLY;
}

constexpr std::uint32_t kFirstWithNotices = 3;  // the format that added all tables since

Sha256 random_secret() {
  Sha256 secret;
  if (::getrandom(secret.data(), secret.size(), 0) != static_cast<ssize_t>(secret.size()))
    throw StoreFailure(std::string("no random numbers: ") + std::strerror(errno));
  return secret;
}

}  // namespace

void must_succeed(int code, const char* what) {
  if (code == MDB_SUCCESS) return;
  const std::string text = std::string(what) + ": " + mdb_strerror(code);
  if (code == MDB_MAP_FULL || code == MDB_TXN_FULL) throw StoreFull(text);
  if (code == MDB_PANIC) throw StorePanic(text);
  throw StoreFailure(text);
}

Result<std::shared_ptr<Environment>> Environment::open(const std::string& path,
                                                       std::uint64_t map_size, Mode mode,
                                                       const Opening& opening) {
  if (mode == Mode::read_write) {
    if (const auto made = make_directory(path); !made) return made.error();
  }
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) return unavailable(path, std::strerror(errno));
  const DirectoryId id{about.st_dev, about.st_ino};
  Register& all = open_environments();
  const std::lock_guard lock(all.mutex);
  auto at = all.entries.find(id);
  if (at == all.entries.end()) {
    auto opened = open_new(path, map_size, mode, opening);
    if (!opened) return opened.error();
    at = all.entries.emplace(id, Entry{std::move(*opened), mode, 0}).first;
  }
  if (mode == Mode::read_write && at->second.mode != mode)
    return Error{ErrorKind::refused, "store " + path + " is open for reading in this process"};
  ++at->second.users;
  return std::shared_ptr<Environment>(at->second.environment.get(),
                                      [id](Environment*) { release(id); });
}

Result<std::unique_ptr<Environment>> Environment::open_new(const std::string& path,
                                                           std::uint64_t map_size, Mode mode,
                                                           const Opening& opening) {
  std::unique_ptr<Environment> opened(new Environment);
  try {
    must_succeed(mdb_env_create(&opened->env_), "create environment");
    MDB_env* env = opened->env_;
    must_succeed(mdb_env_set_maxdbs(env, kTableSlots), "set number of tables");
    must_succeed(mdb_env_set_maxreaders(env, kReaderSlots), "set number of readers");
    if (map_size != 0) must_succeed(mdb_env_set_mapsize(env, map_size), "set map size");
    const std::string data_file = path + "/" + kDataFile;
    if (mode == Mode::read_write && !std::filesystem::exists(data_file)) {
      make_data_file(path, map_size);
    }
    const auto unknown = unknown_pages(data_file, opening.library);
    if (unknown && opening.note) opening.note("store " + path + " is not checked: " + *unknown);
    if (!unknown) check_meta_pages(data_file);
    must_succeed(mdb_env_open(env, path.c_str(), open_flags(mode), kFileMode), "open");
    if (mode != Mode::parked) opened->clear_stale_readers();
    if (!unknown) opened->unsound_ = check_pages(data_file, *opened);
    opened->open_tables(mode == Mode::read_write);
    if (mode == Mode::read_write) {
      if (const auto synced = sync_directory(path); !synced) return synced.error();
    }
    return opened;
  } catch (const NewerFormat& newer) {
    return Error{ErrorKind::refused, "store " + path + ": " + newer.what()};
  } catch (const StoreFull&) {
    return Error{ErrorKind::store_full,
                 "store " + path + " has no room for this format: raise store.map_size"};
  } catch (const std::runtime_error& failure) {
    return unavailable(path, failure.what());
  }
}

// Elsewhere until it is whole: a failure or a power cut on the way leaves no half of a store.
void Environment::make_data_file(const std::string& path, std::uint64_t map_size) {
  namespace fs = std::filesystem;
  const fs::path unfinished = fs::path(path) / "unfinished";
  fs::remove_all(unfinished);
  fs::create_directory(unfinished);
  {
    Environment fresh;
    must_succeed(mdb_env_create(&fresh.env_), "create environment");
    must_succeed(mdb_env_set_maxdbs(fresh.env_, kTableSlots), "set number of tables");
    if (map_size != 0) must_succeed(mdb_env_set_mapsize(fresh.env_, map_size), "set map size");
    must_succeed(mdb_env_open(fresh.env_, unfinished.c_str(), MDB_NOLOCK | MDB_NOTLS, kFileMode),
                 "create data.mdb");
    fresh.open_tables(true);
  }
  fs::rename(unfinished / kDataFile, fs::path(path) / kDataFile);
  fs::remove_all(unfinished);
}

Environment::~Environment() {
  if (env_) mdb_env_close(env_);
}

void Environment::open_tables(bool create) {
  RawTransaction txn(*this, create);
  // First the format alone: what a newer program laid out is not for this one to touch.
  const unsigned flags = create ? MDB_CREATE : 0;
  must_succeed(mdb_dbi_open(txn.raw(), table_name(Table::meta), flags, &tables_[0]),
               "open table meta");
  const std::uint32_t format = check_format(txn.raw(), create);
  const bool fresh = format == 0, old = !fresh && format < kFirstWithNotices;
  for (std::size_t i = 1; i < kTableCount; ++i) {
    const bool missing = fresh || (old && i >= kTablesBefore3);
    if (missing && !create) continue;
    must_succeed(mdb_dbi_open(txn.raw(), table_name(static_cast<Table>(i)),
                              missing ? MDB_CREATE : 0, &tables_[i]),
                 table_name(static_cast<Table>(i)));
  }
  if (create && !fresh && format < kFormatVersion) upgrade(txn.raw());
  must_succeed(txn.commit(), "open tables");
}

// What older formats don't have. Their rows are read as they are.
void Environment::upgrade(MDB_txn* txn) const {
  write_meta(txn, read_meta(txn));
  index_keys(txn);
}

void Environment::index_keys(MDB_txn* txn) const {
  Cursor keys(txn, table(Table::keys));
  for (bool more = keys.first(); more; more = keys.next()) {
    if (!is_sound({keys.value(), keys.key()})) continue;
    KeyRecord record;
    decode({keys.value(), keys.key()}, record);
    const RowKey key = account_keys_key(record.account, parse_tag_key(keys.key()));
    std::string bytes = bind({}, key.view());
    MDB_val where = to_value(key.view());
    MDB_val what{bytes.size(), bytes.data()};
    must_succeed(mdb_put(txn, table(Table::account_keys), &where, &what, 0), "index keys");
  }
}

MetaRecord Environment::read_meta(MDB_txn* txn) const {
  const RowKey key = meta_key();
  MDB_val where = to_value(key.view());
  MDB_val value{};
  must_succeed(mdb_get(txn, table(Table::meta), &where, &value), "read format record");
  MetaRecord meta;
  decode({to_bytes(value), key.view()}, meta);
  return meta;
}

std::uint32_t Environment::check_format(MDB_txn* txn, bool create) const {
  const RowKey key = meta_key();
  MDB_val wanted = to_value(key.view());
  MDB_val value{};
  const int code = mdb_get(txn, table(Table::meta), &wanted, &value);
  if (code == MDB_NOTFOUND && create) {
    MDB_dbi main_table = 0;
    MDB_stat about{};
    must_succeed(mdb_dbi_open(txn, nullptr, 0, &main_table), "open main table");
    must_succeed(mdb_stat(txn, main_table, &about), "look at main table");
    if (about.ms_entries > 1) throw CorruptValue("there are tables, but the format record is lost");
    write_meta(txn, {});
    return 0;
  }
  must_succeed(code, "read format record");
  const MetaRecord meta = read_meta(txn);
  if (meta.format > kFormatVersion)
    throw NewerFormat("written in format " + std::to_string(meta.format) +
                      ", this program knows formats up to " + std::to_string(kFormatVersion) +
                      ": run the newer program, or restore a backup made by this one");
  if (meta.format == 0) throw CorruptValue("format 0 does not exist");
  if (meta.format == kFormatVersion && !meta.secret) throw CorruptValue("the secret is lost");
  return meta.format;
}

void Environment::write_meta(MDB_txn* txn, MetaRecord meta) const {
  meta.format = kFormatVersion;
  if (!meta.secret) meta.secret = random_secret();
  const RowKey key = meta_key();
  std::string bytes = bind(encode(meta), key.view());
  MDB_val where = to_value(key.view());
  MDB_val what{bytes.size(), bytes.data()};
  must_succeed(mdb_put(txn, table(Table::meta), &where, &what, 0), "write format record");
}

std::uint64_t Environment::map_size() const {
  MDB_envinfo info{};
  mdb_env_info(env_, &info);
  return info.me_mapsize;
}

std::uint64_t Environment::last_transaction() const {
  MDB_envinfo info{};
  mdb_env_info(env_, &info);
  return info.me_last_txnid;
}

double Environment::measure_used_fraction() const {
  constexpr MDB_dbi kFreeList = 0;  // LMDB's own table: each value begins with a count of pages
  MDB_envinfo info{};
  MDB_stat about{};
  RawTransaction txn(*this, false);
  must_succeed(mdb_env_info(env_, &info), "environment info");
  must_succeed(mdb_env_stat(env_, &about), "environment statistics");
  std::uint64_t free_pages = 0;
  Cursor cursor(txn.raw(), kFreeList);
  bool more = cursor.first();
  for (std::size_t i = 0; more && i < kFreeListRecords; ++i, more = cursor.next()) {
    std::size_t count = 0;
    if (cursor.value().size() >= sizeof count)
      std::memcpy(&count, cursor.value().data(), sizeof count);
    free_pages += count;
  }
  const std::uint64_t used_pages = info.me_last_pgno + 1;
  const double used = static_cast<double>(used_pages - std::min(free_pages, used_pages));
  return used * about.ms_psize / static_cast<double>(info.me_mapsize);
}

void Environment::clear_stale_readers() const {
  int cleared = 0;
  must_succeed(mdb_reader_check(env_, &cleared), "check readers");
}

RawTransaction::RawTransaction(const Environment& environment, bool writes) {
  must_succeed(mdb_txn_begin(environment.raw(), nullptr, writes ? 0 : MDB_RDONLY, &txn_),
               "begin transaction");
}

RawTransaction::~RawTransaction() {
  if (txn_) mdb_txn_abort(txn_);
}

int RawTransaction::commit() {
  return mdb_txn_commit(std::exchange(txn_, nullptr));
}

Cursor::Cursor(MDB_txn* txn, MDB_dbi table) {
  must_succeed(mdb_cursor_open(txn, table, &cursor_), "open cursor");
}

Cursor::~Cursor() {
  mdb_cursor_close(cursor_);
}

bool Cursor::move(MDB_cursor_op op) {
  const int code = mdb_cursor_get(cursor_, &key_, &value_, op);
  if (code == MDB_NOTFOUND) return false;
  must_succeed(code, "read");
  return true;
}

bool Cursor::seek(ByteView at_or_after) {
  key_ = to_value(at_or_after);
  return move(at_or_after.empty() ? MDB_FIRST : MDB_SET_RANGE);
}

bool Cursor::first() {
  return move(MDB_FIRST);
}
bool Cursor::next() {
  return move(MDB_NEXT);
}
ByteView Cursor::key() const {
  return to_bytes(key_);
}
ByteView Cursor::value() const {
  return to_bytes(value_);
}

Result<void> make_directory(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code code;
  if (fs::is_directory(path, code)) return {};
  const fs::path parent = fs::absolute(path).lexically_normal().parent_path();
  fs::create_directories(parent, code);
  if (code) return unavailable(parent.string(), code.message());
  if (::mkdir(path.c_str(), S_IRWXU) != 0 && errno != EEXIST)
    return unavailable(path, std::strerror(errno));
  return sync_directory(parent.string());
}

Result<void> sync_directory(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return unavailable(path, std::strerror(errno));
  const int code = ::fsync(fd);
  const int reason = errno;
  ::close(fd);
  if (code != 0) return unavailable(path, std::strerror(reason));
  return {};
}

}  // namespace certline::store::lmdb
