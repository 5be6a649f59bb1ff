#pragma once
// What changed at the addresses of an endpoint: a bounded number of entries.

#include "store/rows.hpp"

namespace certline::store {

inline constexpr std::size_t kHistoryPerEndpoint = kAddressesPerEndpoint * kHistoryPerAddress;

class History : public Family {
 public:
  using Family::Family;
  std::vector<HistoryRecord> of(EndpointId endpoint) const;  // oldest first per address

  // Beyond kHistoryPerAddress of an address, or kHistoryPerEndpoint altogether, the oldest go.
  void append(EndpointId endpoint, const HistoryRecord& record);
  void remove_all(EndpointId endpoint);

 private:
  void trim(EndpointId endpoint, const IpAddress& address);
};

}  // namespace certline::store
