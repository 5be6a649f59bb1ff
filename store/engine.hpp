#pragma once
// What the store needs from an engine: tables of rows as bytes, in the order of their keys,
// snapshots for readers, and one transaction at a time for the writer. Types come above it
// (rows.hpp, and a file for each family). Today's engine is lmdb/. Bytes that the engine hands out
// are valid until the next write of their transaction, or until its end.

#include <cstdint>
#include <memory>
#include <optional>

#include "store/codec.hpp"
#include "store/tables.hpp"

namespace certline::store {

// A function that is called with a row and says whether it wants another. Refers to it only.
class Visit {
 public:
  template <class Function>
  Visit(const Function& function)
      : function_(&function), call_([](const void* of, ByteView key, ByteView value) {
          return (*static_cast<const Function*>(of))(key, value);
        }) {}
  bool operator()(ByteView key, ByteView value) const { return call_(function_, key, value); }

 private:
  const void* function_;
  bool (*call_)(const void*, ByteView, ByteView);
};

// One state of the store. Used by one thread at a time. Throws StoreFailure.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  virtual std::optional<ByteView> get(Table table, ByteView key) const = 0;
  // Rows from `from` on (empty: from the first), ascending, as long as their keys do not go beyond
  // what begins with `upto`, and until the visitor says false.
  virtual void range(Table table, ByteView from, ByteView upto, Visit visit) const = 0;
  virtual std::uint64_t entries(Table table) const = 0;
  // False for a table that an older format doesn't have, in a store opened for reading: it holds
  // nothing then.
  virtual bool has(Table table) const = 0;
  // Some row failed its checksum when the store was opened. Perhaps the row's key is what is wrong:
  // what is not found there may have existed.
  virtual bool has_unsound_rows(Table table) const = 0;
  // Which commit's state this is; each commit has the next number.
  virtual std::uint64_t number() const = 0;

 private:
  friend struct Release;
  virtual void release() noexcept = 0;  // it ends, and may be used again for another reader
};

struct Release {
  void operator()(Snapshot* snapshot) const noexcept { snapshot->release(); }
};

enum class CommitOutcome : std::uint8_t {
  committed,
  full,    // the store is full: nothing of this job was kept
  failed,  // apply() threw, or the commit failed (disk error): nothing of this job was kept
  panic,   // the store is unusable: exit for the supervisor
};

// The writer's: it sees its own writes. Unless committed, it leaves nothing behind. Writes throw
// StoreFull, StorePanic, StoreFailure.
class Transaction : public Snapshot {
 public:
  virtual void put(Table table, ByteView key, ByteView value) = 0;
  virtual bool remove(Table table, ByteView key) = 0;  // false: was not there
  virtual void clear(Table table) = 0;
  // What the tables leave of the room there is, this transaction's writes counted; costs a look at
  // each table.
  virtual std::uint64_t free_bytes() const = 0;
  virtual std::uint64_t capacity_bytes() const = 0;
  // Durable when it returns `committed`. Nothing but number() may be called afterwards, which is
  // then the number of the new state.
  virtual CommitOutcome commit() = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;                            // after its last snapshot
  virtual std::unique_ptr<Snapshot, Release> read() = 0;  // thread-safe
  virtual std::unique_ptr<Transaction, Release> write() = 0;
  virtual std::uint64_t newest() const = 0;  // the last commit of anybody; thread-safe, a load
  // Of the room there is, free pages not counted. Called by the writer after each commit; the
  // moment to tidy up, too.
  virtual double measure_used_fraction() = 0;
};

}  // namespace certline::store
