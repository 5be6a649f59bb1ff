#pragma once
// How much of a store stays free, so that changes and removals always have room for the pages they
// copy. New names stop first, then new findings of scans. Changes to existing rows go on.

#include "store/views.hpp"

namespace certline::store {

// Room for new names: a tenth of the store stays free, and in a small one room for the pages that
// two writes copy, since those of the last one are not free yet.
inline constexpr std::uint64_t kShareFreeOfNames = 10;
inline constexpr std::uint64_t kBytesFreeOfNames = 256 * 1024;
// And so much for each endpoint that no scan has found an address of: what the first one brings.
inline constexpr std::uint64_t kFirstScanBytes = 4096;

// Room for new rows of a scan: half of what new names leave free. Where no more is left, a scan
// only changes the rows that are there.
inline constexpr std::uint64_t kShareFreeOfRows = 2 * kShareFreeOfNames;
inline constexpr std::uint64_t kBytesFreeOfRows = kBytesFreeOfNames / 2;

// Both look at the write's own transaction: what it and those before it in the same commit wrote
// counts.
bool has_room_for_names(const WriteView& view);
bool has_room_for_rows(const WriteView& view);

}  // namespace certline::store
