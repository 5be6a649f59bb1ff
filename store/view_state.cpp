// Single reads and writes of a transaction, and the pool of reader transactions. A reset
// transaction keeps its reader slot (MDB_NOTLS), so renewing one is a few loads and stores in
// shared memory.
#include "store/view_state.hpp"

#include <atomic>

namespace certline::store {

std::optional<ByteView> ReadView::Impl::get(Table table, const Key& key) const {
  MDB_val wanted = to_value(key.view());
  if (wanted.mv_size == 0 || !environment->has(table)) return std::nullopt;
  MDB_val value{};
  const int code = mdb_get(txn, environment->table(table), &wanted, &value);
  if (code == MDB_NOTFOUND) {
    must_be_sound(table);
    return std::nullopt;
  }
  check(code, "read");
  return to_bytes(value);
}

void ReadView::Impl::must_be_sound(Table table) const {
  if (environment->has_unsound_rows(table))
    throw CorruptValue(std::string("a row of ") + table_name(table) +
                       " is damaged, perhaps this one: restore a backup");
}

void ReadView::Impl::put(Table table, const Key& key, std::string value) {
  std::string bound = bind(std::move(value), key.view());
  MDB_val where = to_value(key.view());
  MDB_val what{bound.size(), bound.data()};
  const int code = mdb_put(txn, environment->table(table), &where, &what, 0);
  full = full || code == MDB_MAP_FULL || code == MDB_TXN_FULL;
  check(code, "write");
  wrote = true;
}

bool ReadView::Impl::remove(Table table, ByteView key) {
  MDB_val where = to_value(key);
  const int code = mdb_del(txn, environment->table(table), &where, nullptr);
  if (code == MDB_NOTFOUND) return false;
  full = full || code == MDB_MAP_FULL || code == MDB_TXN_FULL;
  check(code, "remove");
  wrote = true;
  return true;
}

MetaRecord ReadView::Impl::meta() const {
  auto meta = load<MetaRecord>(Table::meta, meta_key());
  if (!meta) throw CorruptValue("the format record is lost");
  return *meta;
}

std::uint64_t ReadView::Impl::take_number(std::uint64_t MetaRecord::*next) {
  MetaRecord record = meta();
  const std::uint64_t number = (record.*next)++;
  put(Table::meta, meta_key(), encode(record));
  return number;
}

void ReadView::Impl::clear(Table table) {
  const int code = mdb_drop(txn, environment->table(table), 0);
  full = full || code == MDB_MAP_FULL || code == MDB_TXN_FULL;
  check(code, "clear table");
  wrote = true;
}

std::uint64_t ReadView::Impl::entries(Table table) const {
  if (!environment->has(table)) return 0;
  MDB_stat about{};
  check(mdb_stat(txn, environment->table(table), &about), "look at table");
  return about.ms_entries;
}

ReaderPool::ReaderPool(std::shared_ptr<Environment> environment)
    : environment_(std::move(environment)) {
  for (auto& shard : shards_) shard.idle.reserve(kIdlePerShard);
}

ReaderPool::~ReaderPool() {
  for (auto& shard : shards_)
    for (const auto& impl : shard.idle) mdb_txn_abort(impl->txn);
}

ReaderPool::Shard& ReaderPool::my_shard() {
  static std::atomic<std::size_t> threads{0};
  thread_local const std::size_t mine = threads.fetch_add(1, std::memory_order_relaxed);
  return shards_[mine % kShards];
}

std::unique_ptr<ReadView::Impl> ReaderPool::take() {
  std::unique_ptr<ReadView::Impl> impl;
  {
    Shard& shard = my_shard();
    const std::lock_guard lock(shard.mutex);
    if (!shard.idle.empty()) {
      impl = std::move(shard.idle.back());
      shard.idle.pop_back();
    }
  }
  if (!impl) return begin();
  if (const int code = mdb_txn_renew(impl->txn); code != MDB_SUCCESS) {
    mdb_txn_abort(impl->txn);
    check(code, "renew transaction");
  }
  return impl;
}

std::unique_ptr<ReadView::Impl> ReaderPool::begin() {
  auto impl = std::make_unique<ReadView::Impl>();
  impl->environment = environment_.get();
  impl->pool = this;
  int code = mdb_txn_begin(environment_->raw(), nullptr, MDB_RDONLY, &impl->txn);
  if (code == MDB_READERS_FULL) {  // slots of processes that died may be free
    environment_->clear_stale_readers();
    code = mdb_txn_begin(environment_->raw(), nullptr, MDB_RDONLY, &impl->txn);
  }
  check(code, "begin transaction");
  return impl;
}

void ReaderPool::give_back(std::unique_ptr<ReadView::Impl> impl) noexcept {
  mdb_txn_reset(impl->txn);
  Shard& shard = my_shard();
  const std::lock_guard lock(shard.mutex);
  if (shard.idle.size() < kIdlePerShard) {
    shard.idle.push_back(std::move(impl));
  } else {
    mdb_txn_abort(impl->txn);
  }
}

}  // namespace certline::store
