#pragma once
// Messages on their way, with the dead letters, and the alarms that say when to look at something
// again.

#include "inventory/notices.hpp"
#include "store/rows.hpp"

namespace certline::store {

class Deliveries : public Family {
 public:
  using Family::Family;
  std::optional<DeliveryRecord> find(std::uint64_t id) const;
  Range<DeliveryRecord> all(std::uint64_t after = 0) const;  // ascending

  std::uint64_t new_id();
  void put(const DeliveryRecord& record);
  void remove(std::uint64_t id);
};

class Alarms : public Family {
 public:
  using Family::Family;
  Range<Alarm> until(UtcTime until) const;  // what rings first comes first

  void set(const Alarm& alarm);  // twice is once
  void clear(const Alarm& alarm);
};

}  // namespace certline::store
