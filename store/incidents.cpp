// The records between an event and its message: the incidents of an account, and for each endpoint
// what was reported of it. Next on the way: deliveries.cpp.
#include "store/incidents.hpp"

namespace certline::store {
namespace {

using Row = std::pair<IncidentKey, IncidentRecord>;

Row read(ByteView key, ByteView value) {
  Row row{parse_incident_key(key), {}};
  decode({value, key}, row.second);
  return row;
}

}  // namespace

Range<Row> KnownIncidents::of(AccountId account) const {
  const RowKey prefix = account_key(account);
  return rows_after<Row>(rows(), Table::incidents, prefix, prefix, read);
}

std::vector<Row> KnownIncidents::about(AccountId account, EventKind event,
                                       const Subject& subject) const {
  std::vector<Row> out;
  const RowKey prefix = incidents_about(account, event, subject);
  rows().range(Table::incidents, prefix, [&](ByteView key, ByteView value) {
    out.push_back(read(key, value));
    return true;
  });
  return out;
}

AlertState KnownIncidents::alerts(EndpointId endpoint) const {
  return rows().load<AlertState>(Table::alerts, endpoint_key(endpoint)).value_or(AlertState{});
}

void KnownIncidents::put(const IncidentKey& key, const IncidentRecord& record) {
  rows().put(Table::incidents, incident_key(key), encode(record));
}

void KnownIncidents::remove(const IncidentKey& key) {
  rows().remove(Table::incidents, incident_key(key));
}

void KnownIncidents::put_alerts(EndpointId endpoint, const AlertState& state) {
  rows().put(Table::alerts, endpoint_key(endpoint), encode(state));
}

}  // namespace certline::store
