#pragma once
// Which account watches which name, and which watches an endpoint has.

#include <string>
#include <string_view>

#include "store/rows.hpp"

namespace certline::store {

class Watches : public Family {
 public:
  using Family::Family;
  std::optional<WatchRecord> find(AccountId account, std::string_view canonical) const;
  // By canonical names, ascending after `after` (empty: from the first).
  Range<std::pair<std::string, WatchRecord>> of(AccountId account,
                                                std::string_view after = {}) const;
  // (account, canonical) of every watch on an endpoint.
  Range<std::pair<AccountId, std::string>> on(EndpointId endpoint) const;

  void put(AccountId account, std::string_view canonical, const WatchRecord& record);
  void remove(AccountId account, std::string_view canonical);  // also the watcher index
};

}  // namespace certline::store
