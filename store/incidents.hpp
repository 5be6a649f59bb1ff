#pragma once
// Which incidents each account has open, and what was reported of each endpoint.

#include "inventory/notices.hpp"
#include "store/rows.hpp"

namespace certline::store {

class KnownIncidents : public Family {
 public:
  using Family::Family;
  Range<std::pair<IncidentKey, IncidentRecord>> of(AccountId account) const;
  // Those of one (account, event, subject), whatever their stage.
  std::vector<std::pair<IncidentKey, IncidentRecord>> about(AccountId account, EventKind event,
                                                            const Subject& subject) const;
  AlertState alerts(EndpointId endpoint) const;  // as new where none is stored

  void put(const IncidentKey& key, const IncidentRecord& record);
  void remove(const IncidentKey& key);
  void put_alerts(EndpointId endpoint, const AlertState& state);
};

}  // namespace certline::store
