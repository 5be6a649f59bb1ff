#pragma once
// The tables and their keys. Keys are composite and big-endian, so LMDB's byte order is the wanted
// order: the first key of `due` is due next, and the rows of one endpoint lie together.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "inventory/notices.hpp"
#include "inventory/records.hpp"
#include "inventory/schedule.hpp"
#include "store/codec.hpp"

namespace certline::store {

enum class Table : std::uint8_t {
  meta,
  accounts,
  keys,
  emails,
  watches,
  watchers,
  endpoints,
  endpoint_names,
  addresses,
  certificates,
  due,
  history,
  intermediates,
  // Since format 3.
  account_keys,
  claims,
  tokens,
  audit,
  newcomers,
  alerts,
  incidents,
  deliveries,
  alarms,
};
inline constexpr std::size_t kTableCount = 22;
inline constexpr std::size_t kTablesBefore3 = 13;  // of formats 1 and 2

const char* table_name(Table table);  // as LMDB knows it

inline constexpr std::size_t kMaxKeyBytes = 511;  // LMDB's compiled-in limit

// A key under construction, on the stack. Throws StoreFailure beyond kMaxKeyBytes.
class RowKey {
 public:
  RowKey& byte(std::uint8_t value);
  RowKey& port(std::uint16_t value);
  RowKey& sequence(std::uint32_t value);
  RowKey& id(std::uint64_t value);
  RowKey& time(UtcTime value);  // sign bit flipped: times before 1970 sort first
  RowKey& bytes(ByteView value);
  RowKey& text(std::string_view value);
  ByteView view() const { return {bytes_.data(), size_}; }

 private:
  template <class Unsigned>
  RowKey& big_endian(Unsigned value);
  std::array<std::uint8_t, kMaxKeyBytes> bytes_;
  std::size_t size_ = 0;
};

RowKey meta_key();
RowKey account_key(AccountId id);
RowKey hash_key(const Sha256& hash);     // certificates, intermediates
RowKey api_key_key(const Sha256& hash);  // the first 16 bytes
RowKey email_key(std::string_view email);
RowKey watch_key(AccountId account, std::string_view canonical);
RowKey watcher_key(EndpointId endpoint, AccountId account, std::string_view canonical);
RowKey endpoint_key(EndpointId id);
RowKey endpoint_name_key(std::string_view host, std::uint16_t port, Starttls starttls);
RowKey address_key(EndpointId endpoint, const IpAddress& address);
RowKey due_key(const DueEntry& entry);
RowKey history_key(EndpointId endpoint, const IpAddress& address, UtcTime at,
                   std::uint32_t sequence);
KeyTag half_of(const Sha256& hash);  // its first half
RowKey tag_key(const KeyTag& tag);   // keys, tokens
RowKey account_keys_key(AccountId account, const KeyTag& tag);
RowKey claims_of(std::string_view email);  // what the keys of its claims begin with
RowKey claim_key(std::string_view email, AccountId account);
RowKey number_key(std::uint64_t number);  // audit, deliveries
RowKey newcomer_key(std::uint32_t day, const IpAddress& source);
RowKey incidents_about(AccountId account, EventKind event, const Subject& subject);
RowKey incident_key(const IncidentKey& key);
RowKey alarm_key(const Alarm& alarm);

// The parts of a key, for tables whose values don't repeat them. Each throws CorruptValue when the
// key has another shape.
struct WatchKey {
  AccountId account;
  std::string_view canonical;
};
struct WatcherKey {
  EndpointId endpoint;
  AccountId account;
  std::string_view canonical;
};
struct HistoryKey {
  EndpointId endpoint;
  IpAddress address;
  UtcTime at_utc;
  std::uint32_t sequence;
};
WatchKey parse_watch_key(ByteView key);
WatcherKey parse_watcher_key(ByteView key);
DueEntry parse_due_key(ByteView key);
HistoryKey parse_history_key(ByteView key);
struct AccountKeysKey {
  AccountId account;
  KeyTag tag;
};
struct ClaimRowKey {
  std::string_view email;
  AccountId account;
};
struct NewcomerKey {
  std::uint32_t day;
  IpAddress source;
};
AccountKeysKey parse_account_keys_key(ByteView key);
ClaimRowKey parse_claim_key(ByteView key);
std::uint64_t parse_number_key(ByteView key);
KeyTag parse_tag_key(ByteView key);
NewcomerKey parse_newcomer_key(ByteView key);
IncidentKey parse_incident_key(ByteView key);
Alarm parse_alarm_key(ByteView key);

// Throws CorruptValue unless key and value are what `table` holds.
void check_entry(Table table, ByteView key, ByteView value);

}  // namespace certline::store
