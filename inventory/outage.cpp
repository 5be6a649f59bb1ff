// Each endpoint counts once, by its latest outcome. Endpoints that fail are scanned more often than
// those that are well, so they would outnumber them otherwise.
#include "inventory/outage.hpp"

namespace certline {

void OutageWatch::note(EndpointId endpoint, bool failed, UtcTime now) {
  if (!outcomes_.empty() && now < outcomes_.back().at) {  // the clock stepped back
    outcomes_.clear();
    last_.clear();
    dropped_ = failed_ = 0;
  }
  if (const auto before = last_.find(endpoint); before != last_.end()) {
    Outcome& outcome = outcomes_[before->second - dropped_];
    outcome.latest = false;
    if (outcome.failed) --failed_;
  }
  last_[endpoint] = dropped_ + outcomes_.size();
  outcomes_.push_back({now, endpoint, failed, true});
  if (failed) ++failed_;
  while (!outcomes_.empty()) {
    const Outcome& first = outcomes_.front();
    const bool needed = first.at + kWindow > now || (outage_ && last_.size() <= kLeastToEnd);
    if (first.latest && needed) break;
    drop_front();
  }
  judge(now);
}

void OutageWatch::drop_front() {
  const Outcome& first = outcomes_.front();
  if (first.latest) {
    last_.erase(first.endpoint);
    if (first.failed) --failed_;
  }
  outcomes_.pop_front();
  ++dropped_;
}

void OutageWatch::judge(UtcTime now) {
  const std::size_t seen = last_.size();
  if (!outage_) {
    outage_ = failed_ >= kLeastFailures && failed_ * 100 >= seen * kBeginPercent;
    if (outage_) since_ = now;
  } else if (seen >= kLeastToEnd && failed_ * 100 < seen * kEndPercent) {
    outage_ = false;
    since_ = 0;
  }
}

}  // namespace certline
