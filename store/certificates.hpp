#pragma once
// Certificates, and the intermediates that help to complete a chain. Each certificate is stored
// once, however many addresses show it. It comes and goes with the records that name it
// (certificate_references.hpp). These are counted when the job ends, so a job may do
// addresses.put(), history.append() and removals in any order, as long as each named certificate is
// stored before or is among the job's `ders`.

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
