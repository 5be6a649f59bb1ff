// Watches, and the index from an endpoint to its watches. Each write updates the index from the
// stored record, not from what the caller remembers. Next on the way: endpoints.cpp.
#include "store/watches.hpp"

namespace certline::store {

using Watch = std::pair<std::string, WatchRecord>;
using Watcher = std::pair<AccountId, std::string>;

std::optional<WatchRecord> Watches::find(AccountId account, std::string_view canonical) const {
  return rows().load<WatchRecord>(Table::watches, watch_key(account, canonical));
}

Range<Watch> Watches::of(AccountId account, std::string_view after) const {
  return rows_after<Watch>(rows(), Table::watches, watch_key(account, after), account_key(account),
                           [](ByteView key, ByteView value) {
                             Watch watch(parse_watch_key(key).canonical, WatchRecord{});
                             decode({value, key}, watch.second);
                             return watch;
                           });
}

Range<Watcher> Watches::on(EndpointId endpoint) const {
  const RowKey prefix = endpoint_key(endpoint);
  return rows_after<Watcher>(rows(), Table::watchers, prefix, prefix,
                             [](ByteView key, ByteView value) {
                               check_index({value, key});
                               const auto parts = parse_watcher_key(key);
                               return Watcher(parts.account, parts.canonical);
                             });
}

void Watches::put(AccountId account, std::string_view canonical, const WatchRecord& record) {
  rows().changes().touch_watch(account, canonical);
  const auto before = find(account, canonical);
  if (before && before->endpoint != record.endpoint)
    rows().remove(Table::watchers, watcher_key(before->endpoint, account, canonical));
  rows().put(Table::watchers, watcher_key(record.endpoint, account, canonical));
  rows().put(Table::watches, watch_key(account, canonical), encode(record));
}

void Watches::remove(AccountId account, std::string_view canonical) {
  const auto before = find(account, canonical);
  if (!before) return;
  rows().changes().touch_watch(account, canonical);
  rows().remove(Table::watchers, watcher_key(before->endpoint, account, canonical));
  rows().remove(Table::watches, watch_key(account, canonical));
}

}  // namespace certline::store
