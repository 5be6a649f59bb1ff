#pragma once
// The record of changes: who did what to whom. Entries are numbered and never change.

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
