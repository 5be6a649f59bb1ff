#pragma once
// The base of the families: an engine's rows as records, each bound to its key by a checksum. Only
// the families' own files use it; all other code goes through a view (store.hpp).

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/certificate_references.hpp"
#include "store/change_counters.hpp"
#include "store/engine.hpp"
#include "store/errors.hpp"
#include "store/range.hpp"

namespace certline::store {

// What a write keeps beside its rows.
struct Writing {
  Transaction& transaction;
  ChangeCounters& changes;
  CertificateReferences references{};  // settled at the end of each job
  bool full = false;                   // some write did not fit, whoever swallowed the exception
};

class Rows {
 public:
  Rows(const Snapshot& snapshot, Writing* writing) : snapshot_(snapshot), writing_(writing) {}

  std::optional<ByteView> get(Table table, const RowKey& key) const;
  template <class Record>
  std::optional<Record> load(Table table, const RowKey& key) const {
    const auto value = get(table, key);
    if (!value) return std::nullopt;
    std::optional<Record> record(std::in_place);
    decode({*value, key.view()}, *record);
    return record;
  }
  // Rows from `from` on, as long as they don't go beyond what begins with `upto`, until the visitor
  // says false.
  void range(Table table, const RowKey& from, const RowKey& upto, Visit visit) const;
  void range(Table table, const RowKey& prefix, Visit visit) const {
    range(table, prefix, prefix, visit);
  }
  std::uint64_t entries(Table table) const;
  bool has(Table table) const { return snapshot_.has(table); }
  void must_be_sound(Table table) const;  // throws before something is said not to exist
  MetaRecord meta() const;
  std::uint64_t number() const { return snapshot_.number(); }

  void put(Table table, const RowKey& key, std::string value = {});  // as encode() made it
  bool remove(Table table, const RowKey& key);                       // false: was not there
  void clear(Table table);
  std::uint64_t take_number(std::uint64_t MetaRecord::*next);
  ChangeCounters& changes() { return writing_->changes; }
  CertificateReferences& references() { return writing_->references; }
  const CertificateReferences* references() const {
    return writing_ ? &writing_->references : nullptr;  // null: a reader's
  }

 private:
  const Snapshot& snapshot_;
  Writing* writing_;
};

// The rows of a table behind `after`, which is none of them, as far as what begins with `upto`.
// `read` makes a row of a key and its value, or nothing where it does not belong.
template <class Row>
Range<Row> rows_after(const Rows& rows, Table table, const RowKey& after, const RowKey& upto,
                      std::function<std::optional<Row>(ByteView key, ByteView value)> read) {
  return Range<Row>([&rows, table, from = after, upto, read](std::size_t most) mutable {
    std::vector<Row> page;
    RowKey last = from;
    rows.range(table, from, upto, [&](ByteView key, ByteView value) {
      if (std::ranges::equal(key, from.view())) return true;
      last = RowKey().bytes(key);
      if (auto row = read(key, value)) page.push_back(std::move(*row));
      return page.size() < most;
    });
    from = last;
    return page;
  });
}

// A part of a view, with the rows that all parts share. Const in a reader's view.
class Family {
 public:
  explicit Family(Rows& rows) : rows_(rows) {}
  Family(const Family&) = delete;
  Family& operator=(const Family&) = delete;

 protected:
  Rows& rows() { return rows_; }
  const Rows& rows() const { return rows_; }

 private:
  Rows& rows_;
};

}  // namespace certline::store
