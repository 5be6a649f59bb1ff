// Messages by number, and alarms by time. An alarm is only a key, so setting it twice is the same
// as setting it once. Next on the way: tokens.cpp.
#include "store/deliveries.hpp"

namespace certline::store {

std::optional<DeliveryRecord> Deliveries::find(std::uint64_t id) const {
  return rows().load<DeliveryRecord>(Table::deliveries, number_key(id));
}

Range<DeliveryRecord> Deliveries::all(std::uint64_t after) const {
  return rows_after<DeliveryRecord>(rows(), Table::deliveries, number_key(after), RowKey(),
                                    [](ByteView key, ByteView value) {
                                      DeliveryRecord record;
                                      decode({value, key}, record);
                                      return record;
                                    });
}

std::uint64_t Deliveries::new_id() {
  return rows().take_number(&MetaRecord::next_delivery);
}

void Deliveries::put(const DeliveryRecord& record) {
  rows().put(Table::deliveries, number_key(record.id), encode(record));
}

void Deliveries::remove(std::uint64_t id) {
  rows().remove(Table::deliveries, number_key(id));
}

Range<Alarm> Alarms::until(UtcTime until) const {
  return rows_after<Alarm>(rows(), Table::alarms, RowKey(), RowKey().time(until),
                           [](ByteView key, ByteView value) {
                             check_index({value, key});
                             return parse_alarm_key(key);
                           });
}

void Alarms::set(const Alarm& alarm) {
  rows().put(Table::alarms, alarm_key(alarm));
}

void Alarms::clear(const Alarm& alarm) {
  rows().remove(Table::alarms, alarm_key(alarm));
}

}  // namespace certline::store
