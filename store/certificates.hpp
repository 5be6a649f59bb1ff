#pragma once
// Certificates, each stored once however many addresses show it, and the intermediates that help to
// complete a chain. Certificates come and go with the records that name them
// (certificate_references.hpp): they are counted when the job ends, so within a job the order of
// addresses.put(), history.append() and removals is free, as long as each certificate named is
// stored before or among the job's `ders`.

#include "store/rows.hpp"

namespace certline::store {

class Certificates : public Family {
 public:
  using Family::Family;
  std::optional<CertificateRecord> find(const Sha256& sha256) const;
  std::vector<std::pair<Sha256, std::vector<std::uint8_t>>> intermediates() const;

  void put_intermediate(const Sha256& sha256, const std::vector<std::uint8_t>& der);
};

}  // namespace certline::store
