// Reads and writes of what lies between an event and its message: what was told of an endpoint,
// what goes on for whom, what is on its way, and when to look at something again.
#include "store/view_state.hpp"

namespace certline::store {

AlertState ReadView::alert_state(EndpointId endpoint) const {
  return impl_->load<AlertState>(Table::alerts, endpoint_key(endpoint)).value_or(AlertState{});
}

std::vector<std::pair<IncidentKey, IncidentRecord>> ReadView::incidents(AccountId account,
                                                                        std::size_t most) const {
  std::vector<std::pair<IncidentKey, IncidentRecord>> out;
  if (most == 0) return out;
  const Key prefix = account_key(account);
  impl_->scan(Table::incidents, prefix, prefix, [&](ByteView key, ByteView value) {
    decode({value, key}, out.emplace_back(parse_incident_key(key), IncidentRecord{}).second);
    return out.size() < most;
  });
  return out;
}

std::vector<std::pair<IncidentKey, IncidentRecord>> ReadView::incidents(
    AccountId account, EventKind event, const Subject& subject) const {
  std::vector<std::pair<IncidentKey, IncidentRecord>> out;
  const Key prefix = incidents_about(account, event, subject);
  impl_->scan(Table::incidents, prefix, prefix, [&](ByteView key, ByteView value) {
    decode({value, key}, out.emplace_back(parse_incident_key(key), IncidentRecord{}).second);
    return true;
  });
  return out;
}

std::optional<DeliveryRecord> ReadView::delivery(std::uint64_t id) const {
  return impl_->load<DeliveryRecord>(Table::deliveries, number_key(id));
}

std::vector<DeliveryRecord> ReadView::deliveries(std::uint64_t after, std::size_t most) const {
  std::vector<DeliveryRecord> out;
  if (most == 0) return out;
  impl_->scan(Table::deliveries, Key(), number_key(after), [&](ByteView key, ByteView value) {
    if (parse_number_key(key) == after) return true;
    decode({value, key}, out.emplace_back());
    return out.size() < most;
  });
  return out;
}

std::vector<Alarm> ReadView::alarms(UtcTime until, std::size_t most) const {
  std::vector<Alarm> out;
  if (most == 0) return out;
  impl_->scan(Table::alarms, Key(), Key(), [&](ByteView key, ByteView value) {
    check_index({value, key});
    Alarm alarm = parse_alarm_key(key);
    if (alarm.at_utc > until) return false;
    out.push_back(std::move(alarm));
    return out.size() < most;
  });
  return out;
}

void WriteView::put_alert_state(EndpointId endpoint, const AlertState& state) {
  impl_->put(Table::alerts, endpoint_key(endpoint), encode(state));
}

void WriteView::put_incident(const IncidentKey& key, const IncidentRecord& record) {
  impl_->put(Table::incidents, incident_key(key), encode(record));
}

void WriteView::remove_incident(const IncidentKey& key) {
  impl_->remove(Table::incidents, incident_key(key).view());
}

void WriteView::put_delivery(const DeliveryRecord& record) {
  impl_->put(Table::deliveries, number_key(record.id), encode(record));
}

void WriteView::remove_delivery(std::uint64_t id) {
  impl_->remove(Table::deliveries, number_key(id).view());
}

void WriteView::set_alarm(const Alarm& alarm) {
  impl_->put(Table::alarms, alarm_key(alarm));
}

void WriteView::clear_alarm(const Alarm& alarm) {
  impl_->remove(Table::alarms, alarm_key(alarm).view());
}

}  // namespace certline::store
