#pragma once
// Turns records into stored values and back. A value is four bytes of checksum (little-endian),
// then a FlatBuffers table. The checksum is the table's CRC-32C; bind() mixes in the key's, so a
// value counts under its own key only. decode() takes any bytes. It copies them, checks checksum,
// structure and every number that stands for a name, and throws CorruptValue if one is wrong.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "inventory/notices.hpp"
#include "inventory/records.hpp"

namespace certline::store {

using ByteView = std::span<const std::uint8_t>;

inline constexpr std::uint32_t kFormatVersion = 3;

// A value and the key that it was found under; without a key the checksum is the table's alone.
struct StoredValue {
  StoredValue(ByteView value, ByteView under = {}) : bytes(value), key(under) {}
  ByteView bytes, key;
};

// What is stored under `key`; an index row, which has no table, is bind({}, key).
std::string bind(std::string value, ByteView key);
// The checksum alone, of a row of any table.
bool is_sound(StoredValue row);
// Throws CorruptValue unless the index row belongs to its key.
void check_index(StoredValue row);

// Throws CorruptValue for a number that no kind of event has.
EventKind event_kind(std::uint8_t number);

// What only the store itself keeps.
struct MetaRecord {
  std::uint32_t format = kFormatVersion;
  std::uint64_t next_account = 1, next_endpoint = 1;
  std::uint64_t next_delivery = 1, next_audit = 1;
  std::optional<Sha256> secret{};  // absent in formats 1 and 2
};
struct ReferenceRecord {
  std::uint64_t id = 0;
};
struct IntermediateRecord {
  std::vector<std::uint8_t> der;
};
struct CountRecord {
  std::uint32_t count = 0;
};

std::string encode(const MetaRecord& record);
std::string encode(const ReferenceRecord& record);
std::string encode(const IntermediateRecord& record);
std::string encode(const AccountRecord& record);
std::string encode(const KeyRecord& record);
std::string encode(const WatchRecord& record);
std::string encode(const EndpointRecord& record);
std::string encode(const AddressRecord& record);
std::string encode(const CertificateRecord& record);
std::string encode(const HistoryRecord& record);
std::string encode(const CountRecord& record);
std::string encode(const TokenRecord& record);
std::string encode(const AuditRecord& record);
std::string encode(const AlertState& record);
std::string encode(const IncidentRecord& record);
std::string encode(const DeliveryRecord& record);

void decode(StoredValue value, MetaRecord& out);
void decode(StoredValue value, ReferenceRecord& out);
void decode(StoredValue value, IntermediateRecord& out);
void decode(StoredValue value, AccountRecord& out);
void decode(StoredValue value, KeyRecord& out);
void decode(StoredValue value, WatchRecord& out);
void decode(StoredValue value, EndpointRecord& out);
void decode(StoredValue value, AddressRecord& out);
void decode(StoredValue value, CertificateRecord& out);
void decode(StoredValue value, HistoryRecord& out);
void decode(StoredValue value, CountRecord& out);
void decode(StoredValue value, TokenRecord& out);
void decode(StoredValue value, AuditRecord& out);
void decode(StoredValue value, AlertState& out);
void decode(StoredValue value, IncidentRecord& out);
void decode(StoredValue value, DeliveryRecord& out);

}  // namespace certline::store
