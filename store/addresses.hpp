#pragma once
// What was seen at each address of an endpoint, as it is now; what it was before is history.hpp's.

#include "store/rows.hpp"

namespace certline::store {

using Ders = std::vector<std::pair<Sha256, std::vector<std::uint8_t>>>;  // certificates' bytes

class Addresses : public Family {
 public:
  using Family::Family;
  std::optional<AddressRecord> find(EndpointId endpoint, const IpAddress& address) const;
  std::vector<AddressRecord> of(EndpointId endpoint) const;  // ascending

  // Replaces what an address record says; keeps certificate reference counts right. Certificates of
  // `chain` that are not stored yet come from `ders`.
  void put(EndpointId endpoint, const AddressRecord& record, const Ders& ders, UtcTime now);
  void remove(EndpointId endpoint, const IpAddress& address);  // its history stays
};

}  // namespace certline::store
