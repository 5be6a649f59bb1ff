// A transaction with the families around it. Next on the way: store.cpp, which hands views out.
#include "store/views.hpp"

namespace certline::store {

ReadView::ReadView(std::unique_ptr<Snapshot, Release> snapshot)
    : snapshot_(std::move(snapshot)), rows_(*snapshot_, nullptr) {}

ReadView::ReadView(ReadView&& other) noexcept
    : snapshot_(std::move(other.snapshot_)), rows_(*snapshot_, nullptr) {}

ReadView::ReadView(Writing& writing) : rows_(writing.transaction, &writing) {}

WriteView::WriteView(Writing& writing) : ReadView(writing), transaction_(writing.transaction) {}

Counts ReadView::counts() const {
  return {rows_.entries(Table::accounts),     rows_.entries(Table::keys),
          rows_.entries(Table::watches),      rows_.entries(Table::endpoints),
          rows_.entries(Table::certificates), rows_.entries(Table::addresses)};
}

Sha256 ReadView::secret() const {
  const MetaRecord meta = rows_.meta();
  if (!meta.secret) throw StoreFailure("a store of an older format has no secret yet");
  return *meta.secret;
}

std::uint64_t ReadView::number() const {
  return rows_.number();
}

std::uint64_t WriteView::free_bytes() const {
  return transaction_.free_bytes();
}

std::uint64_t WriteView::capacity_bytes() const {
  return transaction_.capacity_bytes();
}

}  // namespace certline::store
