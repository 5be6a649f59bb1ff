// An engine's rows as records. Before it answers that something does not exist, it checks whether
// the table could have lost the row. Next on the way: a family, such as watches.cpp.
#include "store/rows.hpp"

namespace certline::store {

std::optional<ByteView> Rows::get(Table table, const RowKey& key) const {
  if (key.view().empty() || !has(table)) return std::nullopt;
  const auto value = snapshot_.get(table, key.view());
  if (!value) must_be_sound(table);
  return value;
}

void Rows::range(Table table, const RowKey& from, const RowKey& upto, Visit visit) const {
  if (!has(table)) return;
  snapshot_.range(table, from.view(), upto.view(), visit);
  must_be_sound(table);  // a row that should be among them may have gone elsewhere
}

std::uint64_t Rows::entries(Table table) const {
  return has(table) ? snapshot_.entries(table) : 0;
}

void Rows::must_be_sound(Table table) const {
  if (snapshot_.has_unsound_rows(table))
    throw CorruptValue(std::string("a row of ") + table_name(table) +
                       " is damaged, perhaps this one: restore a backup");
}

MetaRecord Rows::meta() const {
  auto meta = load<MetaRecord>(Table::meta, meta_key());
  if (!meta) throw CorruptValue("the format record is lost");
  return *meta;
}

void Rows::put(Table table, const RowKey& key, std::string value) {
  const std::string bound = bind(std::move(value), key.view());
  try {
    writing_->transaction.put(
        table, key.view(),
        ByteView(reinterpret_cast<const std::uint8_t*>(bound.data()), bound.size()));
  } catch (const StoreFull&) {
    writing_->full = true;
    throw;
  }
}

bool Rows::remove(Table table, const RowKey& key) {
  try {
    return writing_->transaction.remove(table, key.view());
  } catch (const StoreFull&) {
    writing_->full = true;
    throw;
  }
}

void Rows::clear(Table table) {
  try {
    writing_->transaction.clear(table);
  } catch (const StoreFull&) {
    writing_->full = true;
    throw;
  }
}

std::uint64_t Rows::take_number(std::uint64_t MetaRecord::*next) {
  MetaRecord record = meta();
  const std::uint64_t number = (record.*next)++;
  put(Table::meta, meta_key(), encode(record));
  return number;
}

}  // namespace certline::store
