#pragma once
// Tells when so much is unreachable at once that the daemon's own network is the likely cause. It
// keeps a sliding window over the latest outcome of each endpoint, in memory only. Not thread-safe:
// it belongs to the store's writer thread, which applies the scans.

#include <cstddef>
#include <deque>
#include <unordered_map>

#include "inventory/records.hpp"

namespace certline {

class OutageWatch {
 public:
  static constexpr UtcTime kWindow = 600;  // seconds
  static constexpr std::size_t kLeastFailures = 20;
  static constexpr std::size_t kBeginPercent = 50;
  static constexpr std::size_t kEndPercent = 20;
  // The end is judged by at least so many scans, however long ago the first of them was: in an
  // outage endpoints are looked at ever more seldom.
  static constexpr std::size_t kLeastToEnd = 10;

  // One finished scan. `failed`: nothing answered (or no look was possible), and that was not known
  // before. Endpoints whose trouble was told already say nothing about the network: leave them out.
  void note(EndpointId endpoint, bool failed, UtcTime now);
  bool outage() const { return outage_; }
  std::size_t seen() const { return last_.size(); }  // endpoints in the window
  UtcTime since() const { return since_; }           // 0: none

 private:
  struct Outcome {
    UtcTime at = 0;
    EndpointId endpoint = 0;
    bool failed = false;
    bool latest = true;  // no later scan of the endpoint
  };
  void drop_front();
  void judge(UtcTime now);

  std::deque<Outcome> outcomes_;                      // oldest first
  std::unordered_map<EndpointId, std::size_t> last_;  // running number of its latest outcome
  std::size_t dropped_ = 0;                           // the running number of the first
  std::size_t failed_ = 0;                            // of the latest ones
  bool outage_ = false;
  UtcTime since_ = 0;
};

}  // namespace certline
