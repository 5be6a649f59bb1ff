// Endpoints and their two indexes: by name, and by the time of the next scan. Each write updates
// the indexes from the stored record, not from what the caller remembers. Next on the way:
// addresses.cpp.
#include "store/endpoints.hpp"

#include "store/addresses.hpp"
#include "store/history.hpp"

namespace certline::store {
namespace {

bool is_scanned(const EndpointRecord& record) {
  return record.watchers > record.resting;
}

}  // namespace

std::optional<EndpointRecord> Endpoints::find(EndpointId id) const {
  return rows().load<EndpointRecord>(Table::endpoints, endpoint_key(id));
}

std::optional<EndpointId> Endpoints::named(std::string_view host, std::uint16_t port,
                                           Starttls starttls) const {
  const RowKey key = endpoint_name_key(host, port, starttls);
  const auto found = rows().load<ReferenceRecord>(Table::endpoint_names, key);
  if (!found) return std::nullopt;
  return found->id;
}

Range<DueEntry> Endpoints::due(DueEntry after, UtcTime until) const {
  return rows_after<DueEntry>(rows(), Table::due, due_key(after), RowKey().time(until),
                              [](ByteView key, ByteView value) {
                                check_index({value, key});
                                return parse_due_key(key);
                              });
}

std::uint64_t Endpoints::due_count(UtcTime until) const {
  std::uint64_t count = 0;
  rows().range(Table::due, RowKey(), RowKey().time(until), [&](ByteView key, ByteView value) {
    check_index({value, key});
    ++count;
    return true;
  });
  return count;
}

EndpointId Endpoints::new_id() {
  return rows().take_number(&MetaRecord::next_endpoint);
}

void Endpoints::put(const EndpointRecord& record) {
  rows().changes().touch_endpoint(record.id);
  const auto name = endpoint_name_key(record.host, record.port, record.starttls);
  const auto before = find(record.id);
  if (before) {
    const auto old_name = endpoint_name_key(before->host, before->port, before->starttls);
    if (!std::ranges::equal(old_name.view(), name.view()))
      rows().remove(Table::endpoint_names, old_name);
    if (is_scanned(*before)) rows().remove(Table::due, due_key({before->next_scan_utc, record.id}));
  }
  if (named(record.host, record.port, record.starttls) != record.id)
    rows().put(Table::endpoint_names, name, encode(ReferenceRecord{record.id}));
  if (is_scanned(record)) rows().put(Table::due, due_key({record.next_scan_utc, record.id}));
  rows().put(Table::endpoints, endpoint_key(record.id), encode(record));
}

void Endpoints::remove(EndpointId id) {
  const auto before = find(id);
  if (!before) return;
  rows().changes().touch_endpoint(id);
  Addresses addresses(rows());
  for (const auto& record : addresses.of(id)) addresses.remove(id, record.address);
  History(rows()).remove_all(id);
  rows().remove(Table::due, due_key({before->next_scan_utc, id}));
  rows().remove(Table::alerts, endpoint_key(id));
  rows().remove(Table::endpoint_names,
                endpoint_name_key(before->host, before->port, before->starttls));
  rows().remove(Table::endpoints, endpoint_key(id));
}

}  // namespace certline::store
