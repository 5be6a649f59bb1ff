#pragma once
// What stands behind a view: a transaction, and for writers what a job still has to settle. Reader
// transactions are kept and renewed, so that a read costs neither a lock of LMDB nor an allocation.

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "store/change_counters.hpp"
#include "store/environment.hpp"

namespace certline::store {

class ReaderPool;

// References to one certificate that the running job has added or dropped.
struct PendingCertificate {
  std::int64_t delta = 0;
  std::optional<std::vector<std::uint8_t>> der;  // given by the job
  UtcTime first_seen_utc = 0;
};

struct ReadView::Impl {
  const Environment* environment = nullptr;
  MDB_txn* txn = nullptr;
  ReaderPool* pool = nullptr;  // null: a write transaction, owned elsewhere
  std::map<Sha256, PendingCertificate> pending;
  ChangeCounters* changes = nullptr;  // null: a reader
  bool wrote = false;
  bool full = false;  // some write of this transaction did not fit, whoever swallowed the exception

  std::optional<ByteView> get(Table table, const Key& key) const;
  void put(Table table, const Key& key, std::string value);  // as encode() made it
  void put(Table table, const Key& key) { put(table, key, {}); }
  bool remove(Table table, ByteView key);  // false: was not there
  void clear(Table table);
  MetaRecord meta() const;
  std::uint64_t take_number(std::uint64_t MetaRecord::*next);
  std::uint64_t entries(Table table) const;
  void must_be_sound(Table table) const;  // throws before something is said not to exist

  template <class Record>
  std::optional<Record> load(Table table, const Key& key) const {
    const auto value = get(table, key);
    if (!value) return std::nullopt;
    std::optional<Record> record(std::in_place);
    decode({*value, key.view()}, *record);
    return record;
  }

  // Calls visit(key, value) for entries from `from` on that begin with `prefix`, until it says
  // false.
  template <class Visit>
  void scan(Table table, const Key& prefix, const Key& from, const Visit& visit) const {
    if (!environment->has(table)) return;
    Cursor cursor(txn, environment->table(table));
    const ByteView begin = prefix.view();
    for (bool more = cursor.seek(from.view()); more; more = cursor.next()) {
      const ByteView key = cursor.key();
      if (key.size() < begin.size() || !std::equal(begin.begin(), begin.end(), key.begin())) break;
      if (!visit(key, cursor.value())) break;
    }
    must_be_sound(table);  // a row that should be among them may have gone elsewhere
  }
};

// Idle reader transactions, in shards by thread so that threads don't meet. Thread-safe.
class ReaderPool {
 public:
  explicit ReaderPool(std::shared_ptr<Environment> environment);
  ~ReaderPool();
  std::unique_ptr<ReadView::Impl> take();
  void give_back(std::unique_ptr<ReadView::Impl> impl) noexcept;

 private:
  static constexpr std::size_t kShards = 16;
  static constexpr std::size_t kIdlePerShard = 16;
  struct alignas(64) Shard {
    std::mutex mutex;
    std::vector<std::unique_ptr<ReadView::Impl>> idle;
  };
  Shard& my_shard();
  std::unique_ptr<ReadView::Impl> begin();

  std::shared_ptr<Environment> environment_;
  std::array<Shard, kShards> shards_;
};

}  // namespace certline::store
