#pragma once
// LMDB 0.9's file format, as far as page_check.cpp needs it, taken from the documentation in lmdb.h
// and mdb.c. LMDB writes numbers in the machine's byte order.

#include <cstdint>
#include <cstring>

#include "store/codec.hpp"
#include "store/errors.hpp"

namespace certline::store::lmdb::pages {

inline constexpr std::uint32_t kMagic = 0xBEEFC0DE, kVersion = 1;
inline constexpr std::uint64_t kNoPage = ~0ull, kMetaPages = 2;
inline constexpr std::size_t kPageHeader = 16, kNodeHeader = 8, kPointer = 2;
inline constexpr std::size_t kSmallestPage = 512, kLargestPage = 32768;
inline constexpr unsigned kDeepest = 32;
enum PageKind : std::uint16_t { kBranch = 1, kLeaf = 2, kOverflow = 4, kMeta = 8 };
enum NodeKind : std::uint16_t { kPlain = 0, kBig = 1, kTable = 2 };
inline constexpr std::uint16_t kIntegerKeys = 8;  // the free list's tree

template <class T>
T number_at(ByteView bytes, std::size_t offset) {
  if (bytes.size() < sizeof(T) || offset > bytes.size() - sizeof(T))
    throw CorruptValue("a number outside its page");
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

// One tree's description: where its root is, and what must be found below it.
struct Tree {
  static constexpr std::size_t kSize = 48;
  std::uint32_t pad;  // of the free list's tree: the size of a page
  std::uint16_t flags, depth;
  std::uint64_t branches, leaves, overflows, entries, root;

  static Tree at(ByteView bytes, std::size_t offset) {
    const auto whole = [&](std::size_t field) {
      return number_at<std::uint64_t>(bytes, offset + field);
    };
    return {number_at<std::uint32_t>(bytes, offset),
            number_at<std::uint16_t>(bytes, offset + 4),
            number_at<std::uint16_t>(bytes, offset + 6),
            whole(8),
            whole(16),
            whole(24),
            whole(32),
            whole(40)};
  }
};

// A snapshot's description, on page 0 or 1 in turn.
struct Meta {
  static constexpr std::size_t kFree = 24, kMain = kFree + Tree::kSize;
  static constexpr std::size_t kLast = kMain + Tree::kSize, kSize = kLast + 16;
  std::uint32_t magic, version;
  Tree free, main;
  std::uint64_t last_page, transaction;

  static Meta at(ByteView body) {
    return {number_at<std::uint32_t>(body, 0),
            number_at<std::uint32_t>(body, 4),
            Tree::at(body, kFree),
            Tree::at(body, kMain),
            number_at<std::uint64_t>(body, kLast),
            number_at<std::uint64_t>(body, kLast + 8)};
  }
};

// One entry of a page.
struct Node {
  std::uint64_t child;      // of a branch: the page below
  std::uint64_t data_size;  // of a leaf
  std::uint16_t kind;
  ByteView key;
  std::size_t data;  // offset of the data in the page

  static Node at(ByteView page, std::size_t offset) {
    const std::uint64_t low = number_at<std::uint16_t>(page, offset);
    const std::uint64_t middle = number_at<std::uint16_t>(page, offset + 2);
    const auto flags = number_at<std::uint16_t>(page, offset + 4);
    const std::size_t key = number_at<std::uint16_t>(page, offset + 6);
    if (key > page.size() - offset - kNodeHeader) throw CorruptValue("a key outside its page");
    return {low | middle << 16 | static_cast<std::uint64_t>(flags) << 32, low | middle << 16, flags,
            page.subspan(offset + kNodeHeader, key), offset + kNodeHeader + key};
  }
};

}  // namespace certline::store::lmdb::pages
