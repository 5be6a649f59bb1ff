// The typed writes of what is watched. Each keeps the indices that belong to its table right, from
// what is stored and not from what the caller remembers. References to certificates are gathered
// per job and settled at its end: a certificate that moves from one record to another is neither
// deleted nor written again.
#include <algorithm>
#include <iterator>
#include <limits>

#include "store/view_state.hpp"

namespace certline::store {
namespace {

std::vector<Sha256> distinct(std::vector<Sha256> hashes) {
  std::sort(hashes.begin(), hashes.end());
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
  return hashes;
}

std::vector<Sha256> named_by(const HistoryRecord& record) {
  std::vector<Sha256> out;
  if (record.leaf_before) out.push_back(*record.leaf_before);
  if (record.leaf_after) out.push_back(*record.leaf_after);
  return distinct(std::move(out));
}

bool is_scanned(const EndpointRecord& record) {
  return record.watchers > record.resting;
}

}  // namespace

void WriteView::put_watch(AccountId account, std::string_view canonical,
                          const WatchRecord& record) {
  impl_->changes->touch_watch(account, canonical);
  const auto before = watch(account, canonical);
  if (before && before->endpoint != record.endpoint)
    impl_->remove(Table::watchers, watcher_key(before->endpoint, account, canonical).view());
  impl_->put(Table::watchers, watcher_key(record.endpoint, account, canonical));
  impl_->put(Table::watches, watch_key(account, canonical), encode(record));
}

void WriteView::remove_watch(AccountId account, std::string_view canonical) {
  const auto before = watch(account, canonical);
  if (!before) return;
  impl_->changes->touch_watch(account, canonical);
  impl_->remove(Table::watchers, watcher_key(before->endpoint, account, canonical).view());
  impl_->remove(Table::watches, watch_key(account, canonical).view());
}

void WriteView::put_endpoint(const EndpointRecord& record) {
  impl_->changes->touch_endpoint(record.id);
  const auto name = endpoint_name_key(record.host, record.port, record.starttls);
  const auto before = endpoint(record.id);
  if (before) {
    const auto old_name = endpoint_name_key(before->host, before->port, before->starttls);
    if (!std::ranges::equal(old_name.view(), name.view()))
      impl_->remove(Table::endpoint_names, old_name.view());
    if (is_scanned(*before))
      impl_->remove(Table::due, due_key({before->next_scan_utc, record.id}).view());
  }
  if (endpoint_id(record.host, record.port, record.starttls) != record.id)
    impl_->put(Table::endpoint_names, name, encode(ReferenceRecord{record.id}));
  if (is_scanned(record)) impl_->put(Table::due, due_key({record.next_scan_utc, record.id}));
  impl_->put(Table::endpoints, endpoint_key(record.id), encode(record));
}

void WriteView::remove_endpoint(EndpointId id) {
  const auto before = endpoint(id);
  if (!before) return;
  impl_->changes->touch_endpoint(id);
  for (const auto& record : addresses(id)) remove_address(id, record.address);
  std::vector<std::vector<std::uint8_t>> keys;
  const Key prefix = endpoint_key(id);
  impl_->scan(Table::history, prefix, prefix, [&](ByteView key, ByteView value) {
    HistoryRecord record;
    decode({value, key}, record);
    count(named_by(record), {});
    keys.emplace_back(key.begin(), key.end());
    return true;
  });
  for (const auto& key : keys) impl_->remove(Table::history, key);
  impl_->remove(Table::due, due_key({before->next_scan_utc, id}).view());
  impl_->remove(Table::alerts, prefix.view());
  impl_->remove(Table::endpoint_names,
                endpoint_name_key(before->host, before->port, before->starttls).view());
  impl_->remove(Table::endpoints, prefix.view());
}

void WriteView::put_address(EndpointId endpoint, const AddressRecord& record,
                            const std::vector<std::pair<Sha256, std::vector<std::uint8_t>>>& ders,
                            UtcTime now) {
  AddressRecord kept = record;
  if (kept.chain.size() > kStoredChainCertificates) kept.chain.resize(kStoredChainCertificates);
  const auto before = address(endpoint, kept.address);
  const auto chain = distinct(kept.chain);
  count(before ? distinct(before->chain) : std::vector<Sha256>{}, chain);
  for (const auto& [hash, der] : ders) {
    const auto pending = impl_->pending.find(hash);
    if (pending == impl_->pending.end() || pending->second.der) continue;
    pending->second.der = der;
    pending->second.first_seen_utc = now;
  }
  impl_->put(Table::addresses, address_key(endpoint, kept.address), encode(kept));
}

void WriteView::remove_address(EndpointId endpoint, const IpAddress& address) {
  const auto before = this->address(endpoint, address);
  if (!before) return;
  count(distinct(before->chain), {});
  impl_->remove(Table::addresses, address_key(endpoint, address).view());
}

void WriteView::append_history(EndpointId endpoint, const HistoryRecord& record) {
  std::uint32_t sequence = 0;
  const Key first = history_key(endpoint, record.address, record.at_utc, 0);
  const Key prefix = Key().id(endpoint).bytes(record.address.bytes).time(record.at_utc);
  impl_->scan(Table::history, prefix, first, [&](ByteView key, ByteView) {
    sequence = parse_history_key(key).sequence + 1;
    return true;
  });
  count({}, named_by(record));
  impl_->put(Table::history, history_key(endpoint, record.address, record.at_utc, sequence),
             encode(record));
  trim_history(endpoint, record.address);
}

// Called after each entry, so at most one is too many, by either limit.
void WriteView::trim_history(EndpointId endpoint, const IpAddress& address) {
  std::size_t all = 0, here = 0;
  std::optional<HistoryKey> oldest, oldest_here;
  const auto older = [](const HistoryKey& a, const HistoryKey& b) { return a.at_utc < b.at_utc; };
  const Key prefix = endpoint_key(endpoint);
  impl_->scan(Table::history, prefix, prefix, [&](ByteView bytes, ByteView) {
    const HistoryKey key = parse_history_key(bytes);
    ++all;
    if (!oldest || older(key, *oldest)) oldest = key;
    if (key.address != address) return true;
    ++here;
    if (!oldest_here) oldest_here = key;
    return true;
  });
  const bool too_many_here = here > kHistoryPerAddress;
  if (!too_many_here && all <= kHistoryPerEndpoint) return;
  const HistoryKey& gone = too_many_here ? *oldest_here : *oldest;
  const Key key = history_key(gone.endpoint, gone.address, gone.at_utc, gone.sequence);
  if (const auto record = impl_->load<HistoryRecord>(Table::history, key))
    count(named_by(*record), {});
  impl_->remove(Table::history, key.view());
}

void WriteView::put_intermediate(const Sha256& sha256, const std::vector<std::uint8_t>& der) {
  if (impl_->get(Table::intermediates, hash_key(sha256))) return;
  impl_->put(Table::intermediates, hash_key(sha256), encode(IntermediateRecord{der}));
}

std::uint64_t WriteView::free_bytes() const {
  constexpr MDB_dbi kFreeList = 0;
  constexpr std::uint64_t kFixedPages = 3;  // two meta pages, and the list of the tables
  MDB_stat about{};
  std::uint64_t pages = kFixedPages;
  const auto add = [&](MDB_dbi table) {
    check(mdb_stat(impl_->txn, table, &about), "table statistics");
    pages += about.ms_branch_pages + about.ms_leaf_pages + about.ms_overflow_pages;
  };
  add(kFreeList);
  for (std::size_t i = 0; i < kTableCount; ++i) {
    add(impl_->environment->table(static_cast<Table>(i)));
  }
  const std::uint64_t map = map_bytes();
  return map - std::min(map, pages * about.ms_psize);
}

std::uint64_t WriteView::map_bytes() const {
  return impl_->environment->map_size();
}

// Both sorted and without duplicates.
void WriteView::count(const std::vector<Sha256>& before, const std::vector<Sha256>& after) {
  std::vector<Sha256> dropped, added;
  std::ranges::set_difference(before, after, std::back_inserter(dropped));
  std::ranges::set_difference(after, before, std::back_inserter(added));
  for (const auto& hash : dropped) --impl_->pending[hash].delta;
  for (const auto& hash : added) ++impl_->pending[hash].delta;
}

void WriteView::settle_certificates() {
  for (auto& [hash, change] : impl_->pending) {
    if (change.delta == 0) continue;
    const Key key = hash_key(hash);
    auto stored = impl_->load<CertificateRecord>(Table::certificates, key);
    if (!stored) {
      if (!change.der) throw StoreFailure("certificate " + hex(hash) + " is named, but not stored");
      stored = CertificateRecord{std::move(*change.der), 0, change.first_seen_utc};
    }
    const std::int64_t references = stored->references + change.delta;
    if (references < 0) throw CorruptValue("certificate " + hex(hash) + " is counted too low");
    if (references == 0) {
      impl_->remove(Table::certificates, key.view());
      continue;
    }
    stored->references = static_cast<std::uint32_t>(references);
    impl_->put(Table::certificates, key, encode(*stored));
  }
  impl_->pending.clear();
}

}  // namespace certline::store
