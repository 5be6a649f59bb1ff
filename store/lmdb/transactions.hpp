#pragma once
// LMDB's transactions as the store's snapshots. Read transactions are kept and renewed, so a read
// needs neither a lock of LMDB nor an allocation.

#include <array>
#include <memory>
#include <mutex>
#include <vector>

#include "store/engine.hpp"
#include "store/lmdb/environment.hpp"

namespace certline::store::lmdb {

// What readers and the writer have in common. Base: Snapshot or Transaction.
template <class Base>
class TransactionReads : public Base {
 public:
  std::optional<ByteView> get(Table table, ByteView key) const override;
  void range(Table table, ByteView from, ByteView upto, Visit visit) const override;
  std::uint64_t entries(Table table) const override;
  bool has(Table table) const override { return environment_->has(table); }
  bool has_unsound_rows(Table table) const override {
    return environment_->has_unsound_rows(table);
  }

 protected:
  explicit TransactionReads(const Environment& environment) : environment_(&environment) {}
  const Environment* environment_;
  MDB_txn* txn_ = nullptr;
};

class ReaderPool;

class ReadTransaction final : public TransactionReads<Snapshot> {
 public:
  ReadTransaction(const Environment& environment, ReaderPool& pool);
  ~ReadTransaction() override;
  void renew();
  void reset();
  std::uint64_t number() const override;

 private:
  void release() noexcept override;
  ReaderPool* pool_;
};

class WriteTransaction final : public TransactionReads<Transaction> {
 public:
  explicit WriteTransaction(const Environment& environment);
  ~WriteTransaction() override;
  std::uint64_t number() const override { return number_; }
  void put(Table table, ByteView key, ByteView value) override;
  bool remove(Table table, ByteView key) override;
  void clear(Table table) override;
  std::uint64_t free_bytes() const override;
  std::uint64_t capacity_bytes() const override;
  CommitOutcome commit() override;

 private:
  void release() noexcept override { delete this; }
  CommitOutcome after_failed_commit(int code) const;

  std::uint64_t number_;
  bool wrote_ = false;
};

// Idle reader transactions, in shards by thread so that threads don't meet. Thread-safe.
class ReaderPool {
 public:
  explicit ReaderPool(const Environment& environment);
  std::unique_ptr<Snapshot, Release> take();
  void give_back(std::unique_ptr<ReadTransaction> reader) noexcept;

 private:
  static constexpr std::size_t kShards = 16;
  static constexpr std::size_t kIdlePerShard = 16;
  struct alignas(64) Shard {
    std::mutex mutex;
    std::vector<std::unique_ptr<ReadTransaction>> idle;
  };
  Shard& my_shard();

  const Environment& environment_;
  std::array<Shard, kShards> shards_;
};

}  // namespace certline::store::lmdb
