// Names and keys of the tables, and the check of one entry that a restore makes before it trusts a
// backup. Everything about the byte order of keys is in this file.
#include "store/tables.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "store/errors.hpp"

namespace certline::store {
namespace {

constexpr std::uint64_t kSignBit = 1ull << 63;

constexpr std::array<const char*, kTableCount> kNames = {
    "meta",          "accounts",       "keys",       "emails",       "watches", "watchers",
    "endpoints",     "endpoint_names", "addresses",  "certificates", "due",     "history",
    "intermediates", "account_keys",   "claims",     "tokens",       "audit",   "newcomers",
    "alerts",        "incidents",      "deliveries", "alarms"};

std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Takes a key apart from the front.
class KeyParts {
 public:
  explicit KeyParts(ByteView key) : rest_(key) {}
  template <class Unsigned>
  Unsigned big_endian() {
    Unsigned value = 0;
    for (const std::uint8_t byte : take(sizeof(Unsigned)))
      value = static_cast<Unsigned>(value << 8 | byte);
    return value;
  }
  UtcTime time() { return static_cast<UtcTime>(big_endian<std::uint64_t>() ^ kSignBit); }
  ByteView take(std::size_t size) {
    if (rest_.size() < size) throw CorruptValue("key too short");
    const ByteView part = rest_.first(size);
    rest_ = rest_.subspan(size);
    return part;
  }
  std::string_view text() {
    const ByteView part = take(rest_.size());
    if (part.empty()) throw CorruptValue("key without its name");
    return as_text(part);
  }
  template <std::size_t N>
  std::array<std::uint8_t, N> bytes() {
    std::array<std::uint8_t, N> out;
    std::ranges::copy(take(N), out.begin());
    return out;
  }
  std::size_t left() const { return rest_.size(); }
  void end() const {
    if (!rest_.empty()) throw CorruptValue("key too long");
  }

 private:
  ByteView rest_;
};

void require_size(ByteView key, std::size_t size) {
  if (key.size() != size) throw CorruptValue("key of the wrong size");
}

template <class Record>
void require_value(ByteView key, ByteView value) {
  Record record;
  decode({value, key}, record);
}

}  // namespace

const char* table_name(Table table) {
  return kNames[static_cast<std::size_t>(table)];
}

template <class Unsigned>
RowKey& RowKey::big_endian(Unsigned value) {
  std::array<std::uint8_t, sizeof(Unsigned)> out;
  for (std::size_t i = 0; i < out.size(); ++i)
    out[out.size() - 1 - i] = static_cast<std::uint8_t>(value >> (8 * i));
  return bytes(out);
}

RowKey& RowKey::byte(std::uint8_t value) {
  return bytes({&value, 1});
}
RowKey& RowKey::port(std::uint16_t value) {
  return big_endian(value);
}
RowKey& RowKey::sequence(std::uint32_t value) {
  return big_endian(value);
}
RowKey& RowKey::id(std::uint64_t value) {
  return big_endian(value);
}
RowKey& RowKey::time(UtcTime value) {
  return big_endian(static_cast<std::uint64_t>(value) ^ kSignBit);
}

RowKey& RowKey::bytes(ByteView value) {
  if (value.size() > bytes_.size() - size_)
    throw StoreFailure("key longer than the store can hold");
  std::copy(value.begin(), value.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(size_));
  size_ += value.size();
  return *this;
}

RowKey& RowKey::text(std::string_view value) {
  return bytes({reinterpret_cast<const std::uint8_t*>(value.data()), value.size()});
}

RowKey meta_key() {
  return RowKey().text("store");
}
RowKey account_key(AccountId id) {
  return RowKey().id(id);
}
RowKey hash_key(const Sha256& hash) {
  return RowKey().bytes(hash);
}
RowKey api_key_key(const Sha256& hash) {
  return tag_key(half_of(hash));
}
RowKey email_key(std::string_view email) {
  return RowKey().text(email);
}
RowKey watch_key(AccountId account, std::string_view canonical) {
  return RowKey().id(account).text(canonical);
}
RowKey watcher_key(EndpointId endpoint, AccountId account, std::string_view canonical) {
  return RowKey().id(endpoint).id(account).text(canonical);
}
RowKey endpoint_key(EndpointId id) {
  return RowKey().id(id);
}
RowKey endpoint_name_key(std::string_view host, std::uint16_t port, Starttls starttls) {
  return RowKey().byte(static_cast<std::uint8_t>(starttls)).port(port).text(host);
}
RowKey address_key(EndpointId endpoint, const IpAddress& address) {
  return RowKey().id(endpoint).bytes(address.bytes);
}
RowKey due_key(const DueEntry& entry) {
  return RowKey().time(entry.due_utc).id(entry.endpoint);
}
RowKey history_key(EndpointId endpoint, const IpAddress& address, UtcTime at,
                   std::uint32_t sequence) {
  return RowKey().id(endpoint).bytes(address.bytes).time(at).sequence(sequence);
}

KeyTag half_of(const Sha256& hash) {
  KeyTag tag;
  std::copy_n(hash.begin(), tag.size(), tag.begin());
  return tag;
}
RowKey tag_key(const KeyTag& tag) {
  return RowKey().bytes(tag);
}
RowKey account_keys_key(AccountId account, const KeyTag& tag) {
  return RowKey().id(account).bytes(tag);
}
RowKey claims_of(std::string_view email) {
  return RowKey().text(email).byte(0);
}
RowKey claim_key(std::string_view email, AccountId account) {
  return claims_of(email).id(account);
}
RowKey number_key(std::uint64_t number) {
  return RowKey().id(number);
}
RowKey newcomer_key(std::uint32_t day, const IpAddress& source) {
  return RowKey().sequence(day).bytes(source.bytes);
}
RowKey incidents_about(AccountId account, EventKind event, const Subject& subject) {
  return RowKey().id(account).byte(static_cast<std::uint8_t>(event)).bytes(subject);
}
RowKey incident_key(const IncidentKey& key) {
  return incidents_about(key.account, key.event, key.subject).byte(key.stage);
}
RowKey alarm_key(const Alarm& alarm) {
  return RowKey().time(alarm.at_utc).byte(static_cast<std::uint8_t>(alarm.kind)).text(alarm.about);
}

WatchKey parse_watch_key(ByteView key) {
  KeyParts parts(key);
  const auto account = parts.big_endian<std::uint64_t>();
  return {account, parts.text()};
}

WatcherKey parse_watcher_key(ByteView key) {
  KeyParts parts(key);
  const auto endpoint = parts.big_endian<std::uint64_t>();
  const auto account = parts.big_endian<std::uint64_t>();
  return {endpoint, account, parts.text()};
}

DueEntry parse_due_key(ByteView key) {
  KeyParts parts(key);
  DueEntry entry;
  entry.due_utc = parts.time();
  entry.endpoint = parts.big_endian<std::uint64_t>();
  parts.end();
  return entry;
}

HistoryKey parse_history_key(ByteView key) {
  KeyParts parts(key);
  HistoryKey out{};
  out.endpoint = parts.big_endian<std::uint64_t>();
  out.address.bytes = parts.bytes<16>();
  out.at_utc = parts.time();
  out.sequence = parts.big_endian<std::uint32_t>();
  parts.end();
  return out;
}

AccountKeysKey parse_account_keys_key(ByteView key) {
  KeyParts parts(key);
  AccountKeysKey out{};
  out.account = parts.big_endian<std::uint64_t>();
  out.tag = parts.bytes<16>();
  parts.end();
  return out;
}

ClaimRowKey parse_claim_key(ByteView key) {
  constexpr std::size_t kBehindEmail = 1 + sizeof(AccountId);
  const std::size_t size = key.size() < kBehindEmail ? 0 : key.size() - kBehindEmail;
  KeyParts parts(key);
  const std::string_view email = as_text(parts.take(size));
  if (email.empty() || email.find('\0') != email.npos) throw CorruptValue("key without its name");
  if (parts.big_endian<std::uint8_t>() != 0) throw CorruptValue("key without an end of its name");
  return {email, parts.big_endian<std::uint64_t>()};
}

std::uint64_t parse_number_key(ByteView key) {
  KeyParts parts(key);
  const auto number = parts.big_endian<std::uint64_t>();
  parts.end();
  return number;
}

KeyTag parse_tag_key(ByteView key) {
  KeyParts parts(key);
  const KeyTag tag = parts.bytes<16>();
  parts.end();
  return tag;
}

NewcomerKey parse_newcomer_key(ByteView key) {
  KeyParts parts(key);
  NewcomerKey out{};
  out.day = parts.big_endian<std::uint32_t>();
  out.source.bytes = parts.bytes<16>();
  parts.end();
  return out;
}

IncidentKey parse_incident_key(ByteView key) {
  KeyParts parts(key);
  IncidentKey out;
  out.account = parts.big_endian<std::uint64_t>();
  out.event = event_kind(parts.big_endian<std::uint8_t>());
  out.subject = parts.bytes<32>();
  out.stage = parts.big_endian<std::uint8_t>();
  parts.end();
  return out;
}

Alarm parse_alarm_key(ByteView key) {
  KeyParts parts(key);
  Alarm out;
  out.at_utc = parts.time();
  const auto kind = parts.big_endian<std::uint8_t>();
  if (kind < static_cast<std::uint8_t>(AlarmKind::tell) ||
      kind > static_cast<std::uint8_t>(AlarmKind::forget_token))
    throw CorruptValue("unknown kind of alarm");
  out.kind = static_cast<AlarmKind>(kind);
  out.about = as_text(parts.take(parts.left()));
  return out;
}

void check_entry(Table table, ByteView key, ByteView value) {
  constexpr std::size_t kId = 8, kHash = 32, kHalfHash = 16, kAddress = 16;
  switch (table) {
    case Table::meta:
      return require_value<MetaRecord>(key, value);
    case Table::accounts:
      return require_size(key, kId), require_value<AccountRecord>(key, value);
    case Table::keys:
      return require_size(key, kHalfHash), require_value<KeyRecord>(key, value);
    case Table::emails:
      return require_value<ReferenceRecord>(key, value);
    case Table::watches:
      return parse_watch_key(key), require_value<WatchRecord>(key, value);
    case Table::watchers:
      return parse_watcher_key(key), check_index({value, key});
    case Table::endpoints:
      return require_size(key, kId), require_value<EndpointRecord>(key, value);
    case Table::endpoint_names:
      return require_value<ReferenceRecord>(key, value);
    case Table::addresses:
      return require_size(key, kId + kAddress), require_value<AddressRecord>(key, value);
    case Table::certificates:
      return require_size(key, kHash), require_value<CertificateRecord>(key, value);
    case Table::due:
      return parse_due_key(key), check_index({value, key});
    case Table::history:
      return parse_history_key(key), require_value<HistoryRecord>(key, value);
    case Table::intermediates:
      return require_size(key, kHash), require_value<IntermediateRecord>(key, value);
    case Table::account_keys:
      return parse_account_keys_key(key), check_index({value, key});
    case Table::claims:
      return parse_claim_key(key), check_index({value, key});
    case Table::tokens:
      return parse_tag_key(key), require_value<TokenRecord>(key, value);
    case Table::audit:
      return parse_number_key(key), require_value<AuditRecord>(key, value);
    case Table::newcomers:
      return parse_newcomer_key(key), require_value<CountRecord>(key, value);
    case Table::alerts:
      return require_size(key, kId), require_value<AlertState>(key, value);
    case Table::incidents:
      return parse_incident_key(key), require_value<IncidentRecord>(key, value);
    case Table::deliveries:
      return parse_number_key(key), require_value<DeliveryRecord>(key, value);
    case Table::alarms:
      return parse_alarm_key(key), check_index({value, key});
  }
}

}  // namespace certline::store
