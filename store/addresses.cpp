// The state of each address. A record names the certificates of its chain, so each write also
// reports which ones the old record named. Next on the way: history.cpp.
#include "store/addresses.hpp"

namespace certline::store {

std::optional<AddressRecord> Addresses::find(EndpointId endpoint, const IpAddress& address) const {
  return rows().load<AddressRecord>(Table::addresses, address_key(endpoint, address));
}

std::vector<AddressRecord> Addresses::of(EndpointId endpoint) const {
  std::vector<AddressRecord> out;
  rows().range(Table::addresses, endpoint_key(endpoint), [&](ByteView key, ByteView value) {
    decode({value, key}, out.emplace_back());
    return true;
  });
  return out;
}

void Addresses::put(EndpointId endpoint, const AddressRecord& record, const Ders& ders,
                    UtcTime now) {
  AddressRecord kept = record;
  if (kept.chain.size() > kStoredChainCertificates) kept.chain.resize(kStoredChainCertificates);
  const auto before = find(endpoint, kept.address);
  const auto chain = distinct(kept.chain);
  rows().references().count(before ? distinct(before->chain) : std::vector<Sha256>{}, chain);
  for (const auto& [hash, der] : ders) rows().references().offer(hash, der, now);
  rows().put(Table::addresses, address_key(endpoint, kept.address), encode(kept));
}

void Addresses::remove(EndpointId endpoint, const IpAddress& address) {
  const auto before = find(endpoint, address);
  if (!before) return;
  rows().references().count(distinct(before->chain), {});
  rows().remove(Table::addresses, address_key(endpoint, address));
}

}  // namespace certline::store
