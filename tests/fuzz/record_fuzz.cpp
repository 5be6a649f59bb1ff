// Stored values from arbitrary bytes. The first byte names the kind of record. The rest is tried
// behind a right checksum, so that it reaches the verifier and the range checks, and also as it is.
// An accepted value must come back the same when it is written and read again.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "store/checksum.hpp"
#include "store/codec.hpp"
#include "store/store.hpp"
#include "store/tables.hpp"

namespace {

using namespace certline;
using namespace certline::store;

ByteView view(const std::string& bytes) {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

template <class Record>
void try_value(ByteView value) {
  Record record;
  try {
    decode(value, record);
  } catch (const CorruptValue&) {
    return;
  }
  const std::string written = encode(record);
  Record again;
  decode(view(written), again);
  if (encode(again) != written) std::abort();
}

using Try = void (*)(ByteView);
constexpr Try kKinds[] = {
    try_value<MetaRecord>,     try_value<ReferenceRecord>, try_value<IntermediateRecord>,
    try_value<AccountRecord>,  try_value<KeyRecord>,       try_value<WatchRecord>,
    try_value<EndpointRecord>, try_value<AddressRecord>,   try_value<CertificateRecord>,
    try_value<HistoryRecord>,  try_value<CountRecord>,     try_value<TokenRecord>,
    try_value<AuditRecord>,    try_value<AlertState>,      try_value<IncidentRecord>,
    try_value<DeliveryRecord>};

std::string checked(ByteView body) {
  std::string value;
  const std::uint32_t crc = crc32c(body);
  for (unsigned shift = 0; shift < 32; shift += 8) value.push_back(static_cast<char>(crc >> shift));
  value.append(body.begin(), body.end());
  return value;
}

// As long as the table's keys are, or may be.
constexpr std::array<std::size_t, kTableCount> kKeySizes = {
    5, 8, 16, 13, 21, 29, 8, 12, 24, 32, 16, 36, 32, 24, 22, 16, 8, 20, 8, 42, 8, 17};

void try_entry(std::size_t table, ByteView key, ByteView value) {
  try {
    check_entry(static_cast<Table>(table), key, value);
  } catch (const CorruptValue&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView body(data + 1, size - 1);
  const Try try_kind = kKinds[data[0] % std::size(kKinds)];
  try_kind(body);
  try_kind(view(checked(body)));
  const std::size_t table = data[0] % kTableCount;
  const std::size_t key_size = std::min(body.size(), kKeySizes[table]);
  const ByteView key = body.first(key_size), rest = body.subspan(key_size);
  try_entry(table, key, rest);
  try_entry(table, key, view(checked(rest)));
  try_entry(table, key, view(bind({}, key)));
  return 0;
}
