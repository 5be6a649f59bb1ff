#pragma once
// What each address of an endpoint showed at the last look. Earlier states are in history.hpp.

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
