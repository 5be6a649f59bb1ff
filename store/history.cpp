// The history of an endpoint's addresses. An entry names the certificates before and after the
// change, so both are still there to show. Next on the way: certificates.cpp.
#include "store/history.hpp"

namespace certline::store {
namespace {

std::vector<Sha256> named_by(const HistoryRecord& record) {
  std::vector<Sha256> out;
  if (record.leaf_before) out.push_back(*record.leaf_before);
  if (record.leaf_after) out.push_back(*record.leaf_after);
  return distinct(std::move(out));
}

}  // namespace

std::vector<HistoryRecord> History::of(EndpointId endpoint) const {
  std::vector<HistoryRecord> out;
  rows().range(Table::history, endpoint_key(endpoint), [&](ByteView key, ByteView value) {
    decode({value, key}, out.emplace_back());
    return true;
  });
  return out;
}

void History::append(EndpointId endpoint, const HistoryRecord& record) {
  std::uint32_t sequence = 0;
  const RowKey at = RowKey().id(endpoint).bytes(record.address.bytes).time(record.at_utc);
  rows().range(Table::history, at, [&](ByteView key, ByteView) {
    sequence = parse_history_key(key).sequence + 1;
    return true;
  });
  rows().references().count({}, named_by(record));
  rows().put(Table::history, history_key(endpoint, record.address, record.at_utc, sequence),
             encode(record));
  trim(endpoint, record.address);
}

// Called after each entry, so at most one is too many, by either limit.
void History::trim(EndpointId endpoint, const IpAddress& address) {
  std::size_t all = 0, here = 0;
  std::optional<HistoryKey> oldest, oldest_here;
  const auto older = [](const HistoryKey& a, const HistoryKey& b) { return a.at_utc < b.at_utc; };
  rows().range(Table::history, endpoint_key(endpoint), [&](ByteView bytes, ByteView) {
    const HistoryKey key = parse_history_key(bytes);
    ++all;
    if (!oldest || older(key, *oldest)) oldest = key;
    if (key.address != address) return true;
    ++here;
    if (!oldest_here) oldest_here = key;
    return true;
  });
  const bool too_many_here = here > kHistoryPerAddress;
  if (!too_many_here && all <= kHistoryPerEndpoint) return;
  const HistoryKey& gone = too_many_here ? *oldest_here : *oldest;
  const RowKey key = history_key(gone.endpoint, gone.address, gone.at_utc, gone.sequence);
  if (const auto record = rows().load<HistoryRecord>(Table::history, key))
    rows().references().count(named_by(*record), {});
  rows().remove(Table::history, key);
}

void History::remove_all(EndpointId endpoint) {
  std::vector<RowKey> keys;
  rows().range(Table::history, endpoint_key(endpoint), [&](ByteView key, ByteView value) {
    HistoryRecord record;
    decode({value, key}, record);
    rows().references().count(named_by(record), {});
    keys.push_back(RowKey().bytes(key));
    return true;
  });
  for (const RowKey& key : keys) rows().remove(Table::history, key);
}

}  // namespace certline::store
