#pragma once
// Counts how many records name a certificate. Changes are gathered while a job runs and applied at
// its end. So a certificate that moves from one record to another is neither deleted nor written
// again.

#include <map>
#include <optional>
#include <vector>

#include "inventory/records.hpp"

namespace certline::store {

class Rows;

class CertificateReferences {
 public:
  // A record named `before` and names `after`. Both sorted, without duplicates (distinct()).
  void count(const std::vector<Sha256>& before, const std::vector<Sha256>& after);
  // The bytes of a certificate that count() has named, unless it has them already.
  void offer(const Sha256& hash, const std::vector<std::uint8_t>& der, UtcTime first_seen_utc);
  // What the job sees of a certificate that is stored so.
  std::optional<CertificateRecord> seen(const Sha256& hash,
                                        std::optional<CertificateRecord> stored) const;
  // Throws StoreFailure where one is named that is neither stored nor offered.
  void settle(Rows& rows);

 private:
  struct Pending {
    std::int64_t delta = 0;
    std::optional<std::vector<std::uint8_t>> der;
    UtcTime first_seen_utc = 0;
  };
  std::map<Sha256, Pending> pending_;
};

std::vector<Sha256> distinct(std::vector<Sha256> hashes);

}  // namespace certline::store
