#pragma once
// Writes down that a key's client has come, apart from the request that showed it: a read stays a
// read. inventory/client_silence.hpp says which requests count. Thread-safe.

#include <memory>

#include "daemon/runtime/parts.hpp"
#include "inventory/records.hpp"

namespace certline::service {

class ClientReports {
 public:
  explicit ClientReports(const runtime::Parts& parts);
  void note(const Sha256& key_hash, const KeyRecord& key) const;

 private:
  struct UnderWay;
  const runtime::Parts& parts_;
  std::shared_ptr<UnderWay> under_way_;
};

}  // namespace certline::service
