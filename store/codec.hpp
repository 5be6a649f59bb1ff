#pragma once
// Records ↔ stored values: four bytes of CRC-32C (little-endian) over the FlatBuffers table behind
// them. decode() copies out, checks the checksum, the table's structure and every number that
// stands for a name, and throws CorruptValue otherwise. Any bytes may be given to it.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "inventory/records.hpp"

namespace certline::store {

using ByteView = std::span<const std::uint8_t>;

inline constexpr std::uint32_t kFormatVersion = 1;

// What only the store itself keeps.
struct MetaRecord {
  std::uint32_t format = kFormatVersion;
  std::uint64_t next_account = 1, next_endpoint = 1;
};
struct ReferenceRecord {
  std::uint64_t id = 0;
};
struct IntermediateRecord {
  std::vector<std::uint8_t> der;
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

void decode(ByteView value, MetaRecord& out);
void decode(ByteView value, ReferenceRecord& out);
void decode(ByteView value, IntermediateRecord& out);
void decode(ByteView value, AccountRecord& out);
void decode(ByteView value, KeyRecord& out);
void decode(ByteView value, WatchRecord& out);
void decode(ByteView value, EndpointRecord& out);
void decode(ByteView value, AddressRecord& out);
void decode(ByteView value, CertificateRecord& out);
void decode(ByteView value, HistoryRecord& out);

}  // namespace certline::store
