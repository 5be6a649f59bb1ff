#pragma once
// Who did what to whom: numbered entries that are never changed.

#include "inventory/notices.hpp"
#include "store/rows.hpp"

namespace certline::store {

class Audit : public Family {
 public:
  using Family::Family;
  Range<std::pair<std::uint64_t, AuditRecord>> all(std::uint64_t after = 0) const;  // ascending

  void append(const AuditRecord& record);
};

}  // namespace certline::store
