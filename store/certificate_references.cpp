// The counts of certificates that a job leaves behind. Next on the way: addresses.cpp and
// history.cpp, whose records name certificates.
#include "store/certificate_references.hpp"

#include <algorithm>
#include <iterator>

#include "store/rows.hpp"

namespace certline::store {

std::vector<Sha256> distinct(std::vector<Sha256> hashes) {
  std::sort(hashes.begin(), hashes.end());
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
  return hashes;
}

void CertificateReferences::count(const std::vector<Sha256>& before,
                                  const std::vector<Sha256>& after) {
  std::vector<Sha256> dropped, added;
  std::ranges::set_difference(before, after, std::back_inserter(dropped));
  std::ranges::set_difference(after, before, std::back_inserter(added));
  for (const auto& hash : dropped) --pending_[hash].delta;
  for (const auto& hash : added) ++pending_[hash].delta;
}

void CertificateReferences::offer(const Sha256& hash, const std::vector<std::uint8_t>& der,
                                  UtcTime first_seen_utc) {
  const auto pending = pending_.find(hash);
  if (pending == pending_.end() || pending->second.der) return;
  pending->second.der = der;
  pending->second.first_seen_utc = first_seen_utc;
}

std::optional<CertificateRecord> CertificateReferences::seen(
    const Sha256& hash, std::optional<CertificateRecord> stored) const {
  const auto pending = pending_.find(hash);
  if (pending == pending_.end()) return stored;
  const Pending& change = pending->second;
  if (!stored && change.der) stored = CertificateRecord{*change.der, 0, change.first_seen_utc};
  if (!stored || stored->references + change.delta <= 0) return std::nullopt;
  stored->references = static_cast<std::uint32_t>(stored->references + change.delta);
  return stored;
}

void CertificateReferences::settle(Rows& rows) {
  for (auto& [hash, change] : pending_) {
    if (change.delta == 0) continue;
    const RowKey key = hash_key(hash);
    auto stored = rows.load<CertificateRecord>(Table::certificates, key);
    if (!stored) {
      if (!change.der) throw StoreFailure("certificate " + hex(hash) + " is named, but not stored");
      stored = CertificateRecord{std::move(*change.der), 0, change.first_seen_utc};
    }
    const std::int64_t references = stored->references + change.delta;
    if (references < 0) throw CorruptValue("certificate " + hex(hash) + " is counted too low");
    if (references == 0) {
      rows.remove(Table::certificates, key);
      continue;
    }
    stored->references = static_cast<std::uint32_t>(references);
    rows.put(Table::certificates, key, encode(*stored));
  }
  pending_.clear();
}

}  // namespace certline::store
