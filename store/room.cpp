// The two limits of a store that fills up. They are in one place because one builds on the other.
// daemon/service asks before it adds names, daemon/scans before it adds rows.
#include "store/room.hpp"

#include <algorithm>

namespace certline::store {

bool has_room_for_names(const WriteView& view) {
  const Counts counts = view.counts();
  const std::uint64_t unscanned = counts.endpoints - std::min(counts.endpoints, counts.addresses);
  const std::uint64_t kept = std::max(view.capacity_bytes() / kShareFreeOfNames, kBytesFreeOfNames);
  return view.free_bytes() >= kept + unscanned * kFirstScanBytes;
}

bool has_room_for_rows(const WriteView& view) {
  return view.free_bytes() >= std::max(view.capacity_bytes() / kShareFreeOfRows, kBytesFreeOfRows);
}

}  // namespace certline::store
