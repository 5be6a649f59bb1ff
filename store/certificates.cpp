// Certificates as a view sees them. A writer's view includes what its job has named and dropped so
// far. Next on the way: incidents.cpp.
#include "store/certificates.hpp"

namespace certline::store {

std::optional<CertificateRecord> Certificates::find(const Sha256& sha256) const {
  auto stored = rows().load<CertificateRecord>(Table::certificates, hash_key(sha256));
  const CertificateReferences* const references = rows().references();
  return references ? references->seen(sha256, std::move(stored)) : stored;
}

std::vector<std::pair<Sha256, std::vector<std::uint8_t>>> Certificates::intermediates() const {
  std::vector<std::pair<Sha256, std::vector<std::uint8_t>>> out;
  rows().range(Table::intermediates, RowKey(), [&](ByteView key, ByteView value) {
    Sha256 hash{};
    if (key.size() != hash.size()) throw CorruptValue("key of the wrong size");
    std::copy(key.begin(), key.end(), hash.begin());
    IntermediateRecord record;
    decode({value, key}, record);
    out.emplace_back(hash, std::move(record.der));
    return true;
  });
  return out;
}

void Certificates::put_intermediate(const Sha256& sha256, const std::vector<std::uint8_t>& der) {
  if (rows().get(Table::intermediates, hash_key(sha256))) return;
  rows().put(Table::intermediates, hash_key(sha256), encode(IntermediateRecord{der}));
}

}  // namespace certline::store
