// A small table in sets of four. A line lies in the set its hash names; a new one takes the place
// of its own earlier reply, or a free one, or that of whichever the hash picks.
#include "daemon/recent_answers.hpp"

#include <functional>

namespace certline::daemon {
namespace {

std::size_t hash_of(std::string_view line) {
  return std::hash<std::string_view>()(line);
}

}  // namespace

RecentAnswers::RecentAnswers(const store::Store& store) : store_(store), sets_(kSets) {}

std::string_view RecentAnswers::find(std::string_view line, std::uint32_t rules,
                                     UtcTime now) const {
  const std::size_t hash = hash_of(line);
  const Set& set = sets_[hash % kSets];
  for (std::size_t i = 0; i < kWays; ++i) {
    if (set.hashes[i] != hash) continue;
    const Slot& slot = set.slots[i];
    const std::string_view text = slot.text;
    if (slot.line_size != line.size() || !text.starts_with(line)) continue;
    const Basis& basis = slot.basis;
    const bool holds = basis.rules == rules && basis.from_utc <= now && now < basis.end_utc &&
                       store_.unchanged(basis.stamp);
    if (!holds) break;
    return {text.data() + line.size(), text.size() - line.size()};
  }
  return {};
}

void RecentAnswers::keep(std::string_view line, std::string_view reply, const Basis& basis) {
  if (line.size() + reply.size() > kTextBytes) return;
  const std::size_t hash = hash_of(line);
  Set& set = sets_[hash % kSets];
  std::size_t at = kWays;
  for (std::size_t i = 0; i < kWays && at == kWays; ++i) {
    if (set.hashes[i] == hash || set.hashes[i] == 0) at = i;
  }
  if (at == kWays) at = (hash / kSets) % kWays;
  Slot& slot = set.slots[at];
  set.hashes[at] = hash;
  slot.basis = basis;
  slot.line_size = line.size();
  slot.text.assign(line);
  slot.text += reply;
}

}  // namespace certline::daemon
