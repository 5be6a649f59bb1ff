// The single reads and writes of a transaction, and the pool of reader transactions. A reset
// transaction keeps its reader slot (MDB_NOTLS), so renewing it costs a few loads and stores in
// shared memory. Next on the way: engine.cpp.
#include "store/lmdb/transactions.hpp"

#include <algorithm>
#include <atomic>

namespace certline::store::lmdb {
namespace {

bool is_beyond(ByteView key, ByteView upto) {
  const std::size_t common = std::min(key.size(), upto.size());
  return std::ranges::lexicographical_compare(upto.first(common), key.first(common));
}

}  // namespace

template <class Base>
std::optional<ByteView> TransactionReads<Base>::get(Table table, ByteView key) const {
  MDB_val wanted = to_value(key);
  MDB_val value{};
  const int code = mdb_get(txn_, environment_->table(table), &wanted, &value);
  if (code == MDB_NOTFOUND) return std::nullopt;
  must_succeed(code, "read");
  return to_bytes(value);
}

template <class Base>
void TransactionReads<Base>::range(Table table, ByteView from, ByteView upto, Visit visit) const {
  Cursor cursor(txn_, environment_->table(table));
  for (bool more = cursor.seek(from); more; more = cursor.next()) {
    const ByteView key = cursor.key();
    if (is_beyond(key, upto) || !visit(key, cursor.value())) return;
  }
}

template <class Base>
std::uint64_t TransactionReads<Base>::entries(Table table) const {
  MDB_stat about{};
  must_succeed(mdb_stat(txn_, environment_->table(table), &about), "look at table");
  return about.ms_entries;
}

template class TransactionReads<Snapshot>;
template class TransactionReads<Transaction>;

ReadTransaction::ReadTransaction(const Environment& environment, ReaderPool& pool)
    : TransactionReads(environment), pool_(&pool) {
  int code = mdb_txn_begin(environment.raw(), nullptr, MDB_RDONLY, &txn_);
  if (code == MDB_READERS_FULL) {  // slots of processes that died may be free
    environment.clear_stale_readers();
    code = mdb_txn_begin(environment.raw(), nullptr, MDB_RDONLY, &txn_);
  }
  must_succeed(code, "begin transaction");
}

ReadTransaction::~ReadTransaction() {
  mdb_txn_abort(txn_);
}

void ReadTransaction::renew() {
  must_succeed(mdb_txn_renew(txn_), "renew transaction");
}

void ReadTransaction::reset() {
  mdb_txn_reset(txn_);
}

std::uint64_t ReadTransaction::number() const {
  return mdb_txn_id(txn_);
}

void ReadTransaction::release() noexcept {
  pool_->give_back(std::unique_ptr<ReadTransaction>(this));
}

WriteTransaction::WriteTransaction(const Environment& environment) : TransactionReads(environment) {
  must_succeed(mdb_txn_begin(environment.raw(), nullptr, 0, &txn_), "begin transaction");
  number_ = mdb_txn_id(txn_) - 1;
}

WriteTransaction::~WriteTransaction() {
  if (txn_) mdb_txn_abort(txn_);
}

void WriteTransaction::put(Table table, ByteView key, ByteView value) {
  MDB_val where = to_value(key);
  MDB_val what = to_value(value);
  must_succeed(mdb_put(txn_, environment_->table(table), &where, &what, 0), "write");
  wrote_ = true;
}

bool WriteTransaction::remove(Table table, ByteView key) {
  MDB_val where = to_value(key);
  const int code = mdb_del(txn_, environment_->table(table), &where, nullptr);
  if (code == MDB_NOTFOUND) return false;
  must_succeed(code, "remove");
  wrote_ = true;
  return true;
}

void WriteTransaction::clear(Table table) {
  must_succeed(mdb_drop(txn_, environment_->table(table), 0), "clear table");
  wrote_ = true;
}

std::uint64_t WriteTransaction::free_bytes() const {
  constexpr MDB_dbi kFreeList = 0;
  constexpr std::uint64_t kFixedPages = 3;  // two meta pages, and the list of the tables
  MDB_stat about{};
  std::uint64_t pages = kFixedPages;
  const auto add = [&](MDB_dbi table) {
    must_succeed(mdb_stat(txn_, table, &about), "table statistics");
    pages += about.ms_branch_pages + about.ms_leaf_pages + about.ms_overflow_pages;
  };
  add(kFreeList);
  for (std::size_t i = 0; i < kTableCount; ++i) {
    add(environment_->table(static_cast<Table>(i)));
  }
  const std::uint64_t map = capacity_bytes();
  return map - std::min(map, pages * about.ms_psize);
}

std::uint64_t WriteTransaction::capacity_bytes() const {
  return environment_->map_size();
}

CommitOutcome WriteTransaction::commit() {
  const int code = mdb_txn_commit(std::exchange(txn_, nullptr));
  if (code != MDB_SUCCESS) return after_failed_commit(code);
  number_ += wrote_ ? 1 : 0;  // LMDB numbers only what changed something
  return CommitOutcome::committed;
}

// After an error on the page that names the newest state LMDB refuses all further work. Then what
// this batch came to is decided by whoever opens the environment next.
CommitOutcome WriteTransaction::after_failed_commit(int code) const {
  if (code == MDB_MAP_FULL || code == MDB_TXN_FULL) return CommitOutcome::full;
  try {
    RawTransaction probe(*environment_, true);
    return CommitOutcome::failed;
  } catch (const StorePanic&) {
    return CommitOutcome::panic;
  } catch (const StoreFailure&) {
    return CommitOutcome::failed;
  }
}

ReaderPool::ReaderPool(const Environment& environment) : environment_(environment) {
  for (auto& shard : shards_) shard.idle.reserve(kIdlePerShard);
}

ReaderPool::Shard& ReaderPool::my_shard() {
  static std::atomic<std::size_t> threads{0};
  thread_local const std::size_t mine = threads.fetch_add(1, std::memory_order_relaxed);
  return shards_[mine % kShards];
}

std::unique_ptr<Snapshot, Release> ReaderPool::take() {
  std::unique_ptr<ReadTransaction> reader;
  {
    Shard& shard = my_shard();
    const std::lock_guard lock(shard.mutex);
    if (!shard.idle.empty()) {
      reader = std::move(shard.idle.back());
      shard.idle.pop_back();
    }
  }
  if (reader) {
    reader->renew();
  } else {
    reader = std::make_unique<ReadTransaction>(environment_, *this);
  }
  return std::unique_ptr<Snapshot, Release>(reader.release());
}

void ReaderPool::give_back(std::unique_ptr<ReadTransaction> reader) noexcept {
  reader->reset();
  Shard& shard = my_shard();
  const std::lock_guard lock(shard.mutex);
  if (shard.idle.size() < kIdlePerShard) shard.idle.push_back(std::move(reader));
}

}  // namespace certline::store::lmdb
