#pragma once
// What the codec's files share: putting a finished table behind its checksum, copying a checked one
// to aligned memory, and converting fields between FlatBuffers and records.

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/checksum.hpp"
#include "store/codec.hpp"
#include "store/errors.hpp"
#include "store/schema_generated.h"

namespace certline::store {

using flatbuffers::FlatBufferBuilder;

inline constexpr std::size_t kChecksumBytes = 4;

// Exclusive-or with what stands in the first four bytes.
void mix(std::string& value, std::uint32_t crc);
std::uint32_t checksum_of(ByteView value);
// Format 1 did not mix in the key; its rows are read until they are written anew.
bool sums_up(std::uint32_t stored, ByteView body, ByteView key);

template <class Table>
std::string finish(FlatBufferBuilder& builder, flatbuffers::Offset<Table> root) {
  builder.Finish(root);
  const ByteView body(builder.GetBufferPointer(), builder.GetSize());
  std::string out(kChecksumBytes, '\0');
  out.reserve(kChecksumBytes + body.size());
  mix(out, crc32c(body));
  out.append(body.begin(), body.end());
  return out;
}

// A value in aligned memory, checked; the table lives as long as this does.
template <class Table>
class Decoded {
 public:
  explicit Decoded(StoredValue value) {
    const std::uint32_t checksum = checksum_of(value.bytes);
    const ByteView body = value.bytes.subspan(kChecksumBytes);
    std::uint8_t* memory = small_.data();
    if (body.size() > small_.size()) {
      large_ = std::make_unique_for_overwrite<std::uint8_t[]>(body.size());
      memory = large_.get();
    }
    std::copy(body.begin(), body.end(), memory);
    if (!sums_up(checksum, {memory, body.size()}, value.key))
      throw CorruptValue("checksum mismatch");
    flatbuffers::Verifier verifier(memory, body.size());
    if (!verifier.VerifyBuffer<Table>(nullptr)) throw CorruptValue("not a table of this schema");
    table_ = flatbuffers::GetRoot<Table>(memory);
  }
  const Table* operator->() const { return table_; }

 private:
  alignas(16) std::array<std::uint8_t, 1024> small_;
  std::unique_ptr<std::uint8_t[]> large_;
  const Table* table_ = nullptr;
};

template <class Struct, std::size_t N>
Struct to_struct(const std::array<std::uint8_t, N>& bytes) {
  static_assert(sizeof(Struct) == N);
  Struct out;
  std::memcpy(&out, bytes.data(), N);
  return out;
}

template <std::size_t N, class Struct>
std::array<std::uint8_t, N> required(const Struct* bytes) {
  static_assert(sizeof(Struct) == N);
  if (!bytes) throw CorruptValue("a required field is missing");
  std::array<std::uint8_t, N> out;
  std::memcpy(out.data(), bytes, N);
  return out;
}

inline std::optional<Sha256> optional_hash(const flat::Hash* bytes) {
  if (!bytes) return std::nullopt;
  return required<32>(bytes);
}

inline std::string text(const flatbuffers::String* value) {
  return value ? value->str() : std::string();
}

inline std::vector<std::uint8_t> blob(const flatbuffers::Vector<std::uint8_t>* value) {
  if (!value) return {};
  return {value->begin(), value->end()};
}

// Absent where empty.
inline flatbuffers::Offset<flatbuffers::String> short_text(FlatBufferBuilder& builder,
                                                           const std::string& value) {
  if (value.empty()) return 0;
  return builder.CreateString(value);
}

// Of 16 or 32 bytes; absent where all are zero. The pointer is valid as long as `room`.
template <class Struct, std::size_t N>
const Struct* unless_zero(const std::array<std::uint8_t, N>& bytes, Struct& room) {
  room = to_struct<Struct>(bytes);
  return bytes == std::array<std::uint8_t, N>{} ? nullptr : &room;
}

template <std::size_t N, class Struct>
std::array<std::uint8_t, N> or_zero(const Struct* bytes) {
  if (!bytes) return {};
  return required<N>(bytes);
}

inline ScanState state(std::uint8_t number) {
  const auto found = scan_state_by_number(number);
  if (!found) throw CorruptValue("unknown scan state");
  return *found;
}

template <class Enum>
std::uint8_t number(Enum name) {
  return static_cast<std::uint8_t>(name);
}

// The name that a number between those of `first` and `last` stands for.
template <class Enum>
Enum named(std::uint8_t n, Enum first, Enum last, const char* unknown) {
  if (n < number(first) || n > number(last)) throw CorruptValue(unknown);
  return static_cast<Enum>(n);
}

}  // namespace certline::store
