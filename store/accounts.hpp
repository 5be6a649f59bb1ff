#pragma once
// Accounts, by number and by confirmed e-mail address, and how many were opened from each source.

#include <string_view>

#include "store/rows.hpp"

namespace certline::store {

class Accounts : public Family {
 public:
  using Family::Family;
  std::optional<AccountRecord> find(AccountId id) const;
  std::optional<AccountId> by_email(std::string_view email) const;
  Range<AccountRecord> all(AccountId after = 0) const;  // ascending
  // Accounts whose only key was claimed for this address and waits for confirmation.
  Range<AccountId> claiming(std::string_view email) const;
  std::uint32_t opened(UtcTime day, const IpAddress& source) const;  // day: now / 86400

  AccountId new_id();
  void put(const AccountRecord& record);  // also its e-mail and claim indexes
  // With its e-mail and claim indexes; its keys, watches, incidents and deliveries are the caller's
  // to remove.
  void remove(AccountId id);
  // Counts one more; what was counted on other days is forgotten.
  void count_opened(UtcTime day, const IpAddress& source);

 private:
  void forget_email(const AccountRecord& account);
};

}  // namespace certline::store
