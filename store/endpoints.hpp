#pragma once
// What is scanned: endpoints by number and by name, and when each is due.

#include <string_view>

#include "inventory/schedule.hpp"
#include "store/rows.hpp"

namespace certline::store {

class Endpoints : public Family {
 public:
  using Family::Family;
  std::optional<EndpointRecord> find(EndpointId id) const;
  std::optional<EndpointId> named(std::string_view host, std::uint16_t port,
                                  Starttls starttls) const;
  Range<DueEntry> due(DueEntry after, UtcTime until) const;  // what is due first comes first
  std::uint64_t due_count(UtcTime until) const;

  EndpointId new_id();
  // Writes the record and moves its due entry to next_scan_utc (none unless watchers > resting).
  void put(const EndpointRecord& record);
  // With addresses, history, due entry, alert state, certificate references.
  void remove(EndpointId id);
};

}  // namespace certline::store
