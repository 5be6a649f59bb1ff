// A small table in sets of four. The hash of a line names its set. A new reply takes the place of
// the line's earlier reply, else a free place, else the one that the hash picks.
#include "daemon/service/recent_answers.hpp"

#include <functional>

namespace certline::service {
namespace {

struct Place {
  std::size_t set = 0;
  std::uint32_t tag = 0;
};

Place place_of(std::string_view line, std::size_t sets) {
  const std::size_t hash = std::hash<std::string_view>()(line);
  return {hash % sets, static_cast<std::uint32_t>(hash >> 32) | 1};
}

}  // namespace

RecentAnswers::RecentAnswers(const store::Store& store)
    : store_(store), tags_(kSets), slots_(kSets) {}

std::string_view RecentAnswers::find(std::string_view line, std::uint32_t rules,
                                     UtcTime now) const {
  const auto [set, tag] = place_of(line, kSets);
  const Tags& tags = tags_[set];
  for (std::size_t i = 0; i < kWays; ++i) {
    if (tags[i] != tag) continue;
    const Slot& slot = slots_[set][i];
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
  const auto [set, tag] = place_of(line, kSets);
  Tags& tags = tags_[set];
  std::size_t at = kWays;
  for (std::size_t i = 0; i < kWays && at == kWays; ++i) {
    if (tags[i] == tag || tags[i] == 0) at = i;
  }
  if (at == kWays) at = (tag >> 1) % kWays;
  tags[at] = tag;
  Slot& slot = slots_[set][at];
  slot.basis = basis;
  slot.line_size = line.size();
  slot.text.assign(line);
  slot.text += reply;
}

}  // namespace certline::service
