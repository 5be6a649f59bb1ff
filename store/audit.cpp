// The audit. Its numbers come from the format record, and no number is given out twice. Next on the
// way: views.cpp, which puts the families together.
#include "store/audit.hpp"

namespace certline::store {

using Row = std::pair<std::uint64_t, AuditRecord>;

Range<Row> Audit::all(std::uint64_t after) const {
  return rows_after<Row>(rows(), Table::audit, number_key(after), RowKey(),
                         [](ByteView key, ByteView value) {
                           Row row{parse_number_key(key), {}};
                           decode({value, key}, row.second);
                           return row;
                         });
}

void Audit::append(const AuditRecord& record) {
  const RowKey key = number_key(rows().take_number(&MetaRecord::next_audit));
  if (rows().get(Table::audit, key)) throw CorruptValue("the audit goes beyond its last number");
  rows().put(Table::audit, key, encode(record));
}

}  // namespace certline::store
