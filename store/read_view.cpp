// The typed reads of what is watched. Each copies its record out of the map before it returns, so
// that nothing refers to a page which a later transaction may reuse.
#include <limits>

#include "store/view_state.hpp"

namespace certline::store {

ReadView::ReadView(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ReadView::ReadView(ReadView&&) noexcept = default;
ReadView::~ReadView() {
  if (impl_ && impl_->pool) impl_->pool->give_back(std::move(impl_));
}

std::optional<WatchRecord> ReadView::watch(AccountId account, std::string_view canonical) const {
  return impl_->load<WatchRecord>(Table::watches, watch_key(account, canonical));
}

std::vector<std::pair<std::string, WatchRecord>> ReadView::watches(AccountId account,
                                                                   std::string_view after,
                                                                   std::size_t most) const {
  std::vector<std::pair<std::string, WatchRecord>> out;
  if (most == 0) return out;
  impl_->scan(Table::watches, account_key(account), watch_key(account, after),
              [&](ByteView key, ByteView value) {
                const auto name = parse_watch_key(key).canonical;
                if (name == after) return true;
                out.emplace_back(std::string(name), WatchRecord{});
                decode({value, key}, out.back().second);
                return out.size() < most;
              });
  return out;
}

std::optional<EndpointRecord> ReadView::endpoint(EndpointId id) const {
  return impl_->load<EndpointRecord>(Table::endpoints, endpoint_key(id));
}

std::optional<EndpointId> ReadView::endpoint_id(std::string_view host, std::uint16_t port,
                                                Starttls starttls) const {
  const auto found =
      impl_->load<ReferenceRecord>(Table::endpoint_names, endpoint_name_key(host, port, starttls));
  if (!found) return std::nullopt;
  return found->id;
}

std::vector<std::pair<AccountId, std::string>> ReadView::watchers(EndpointId endpoint,
                                                                  std::size_t most) const {
  std::vector<std::pair<AccountId, std::string>> out;
  if (most == 0) return out;
  const Key prefix = endpoint_key(endpoint);
  impl_->scan(Table::watchers, prefix, prefix, [&](ByteView key, ByteView value) {
    check_index({value, key});
    const auto parts = parse_watcher_key(key);
    out.emplace_back(parts.account, std::string(parts.canonical));
    return out.size() < most;
  });
  return out;
}

std::optional<AddressRecord> ReadView::address(EndpointId endpoint,
                                               const IpAddress& address) const {
  return impl_->load<AddressRecord>(Table::addresses, address_key(endpoint, address));
}

std::vector<AddressRecord> ReadView::addresses(EndpointId endpoint) const {
  std::vector<AddressRecord> out;
  const Key prefix = endpoint_key(endpoint);
  impl_->scan(Table::addresses, prefix, prefix, [&](ByteView key, ByteView value) {
    decode({value, key}, out.emplace_back());
    return true;
  });
  return out;
}

std::optional<CertificateRecord> ReadView::certificate(const Sha256& sha256) const {
  auto stored = impl_->load<CertificateRecord>(Table::certificates, hash_key(sha256));
  const auto pending = impl_->pending.find(sha256);
  if (pending == impl_->pending.end()) return stored;
  const PendingCertificate& change = pending->second;
  if (!stored && change.der) stored = CertificateRecord{*change.der, 0, change.first_seen_utc};
  if (!stored || stored->references + change.delta <= 0) return std::nullopt;
  stored->references = static_cast<std::uint32_t>(stored->references + change.delta);
  return stored;
}

std::vector<HistoryRecord> ReadView::history(EndpointId endpoint) const {
  std::vector<HistoryRecord> out;
  const Key prefix = endpoint_key(endpoint);
  impl_->scan(Table::history, prefix, prefix, [&](ByteView key, ByteView value) {
    decode({value, key}, out.emplace_back());
    return true;
  });
  return out;
}

std::vector<std::pair<Sha256, std::vector<std::uint8_t>>> ReadView::intermediates() const {
  std::vector<std::pair<Sha256, std::vector<std::uint8_t>>> out;
  impl_->scan(Table::intermediates, Key(), Key(), [&](ByteView key, ByteView value) {
    Sha256 hash{};
    if (key.size() != hash.size()) throw CorruptValue("key of the wrong size");
    std::copy(key.begin(), key.end(), hash.begin());
    IntermediateRecord record;
    decode({value, key}, record);
    out.emplace_back(hash, std::move(record.der));
    return true;
  });
  return out;
}

std::vector<DueEntry> ReadView::due(DueEntry after, UtcTime until, std::size_t most) const {
  std::vector<DueEntry> out;
  if (most == 0) return out;
  impl_->scan(Table::due, Key(), due_key(after), [&](ByteView key, ByteView value) {
    check_index({value, key});
    const DueEntry entry = parse_due_key(key);
    if (entry.due_utc > until) return false;
    if (entry != after) out.push_back(entry);
    return out.size() < most;
  });
  return out;
}

std::uint64_t ReadView::due_count(UtcTime until) const {
  std::uint64_t count = 0;
  impl_->scan(Table::due, Key(), Key(), [&](ByteView key, ByteView value) {
    check_index({value, key});
    if (parse_due_key(key).due_utc > until) return false;
    ++count;
    return true;
  });
  return count;
}

Counts ReadView::counts() const {
  return {impl_->entries(Table::accounts),     impl_->entries(Table::keys),
          impl_->entries(Table::watches),      impl_->entries(Table::endpoints),
          impl_->entries(Table::certificates), impl_->entries(Table::addresses)};
}

}  // namespace certline::store
