#pragma once
// Which delivery goes next, and through which channel. In memory only: all that waits is in the
// store too, and a start tries all of it anew. Not thread-safe. It has no clock.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/notices/channels.hpp"

namespace certline::notices {

inline constexpr UtcTime kDeliveryLifetime = 24 * 3600;  // from its creation to its last attempt
inline constexpr UtcTime kFreshPause = 60;  // a channel that rests is tried for what is new

// Before the next attempt, after so many that failed: 1, 2, 5, 10, 30 minutes, 1, 2, 4, 4 … hours.
UtcTime pause_after(std::uint32_t failures);

// Channels don't wait for each other. Of one channel, one delivery is under way at a time, in the
// order of their ids: one that was put back lets the others pass, while one that found nobody
// there lets all wait behind it, but for what is new, for which it is tried sooner.
class DeliveryQueue {
 public:
  // At most so many a minute, by each channel.
  DeliveryQueue(std::uint32_t mails_per_minute, std::uint32_t others_per_minute)
      : mails_per_minute_(mails_per_minute), others_per_minute_(others_per_minute) {}

  bool knows(std::uint64_t id) const { return channels_of_.contains(id); }
  void add(const std::string& channel, std::uint64_t id, UtcTime created, std::uint16_t attempts);

  // What is to be tried now; its channel is busy until release() or vanished().
  std::vector<std::pair<std::string, std::uint64_t>> begin(UtcTime now);

  struct Next {
    bool gone = false;                // it needs no further attempt
    bool dead = false;                // gone, and not delivered
    UtcTime at = 0;                   // when it is tried again
    std::vector<std::uint64_t> late;  // others that waited behind it for too long: dead as well
  };
  Next ended(std::uint64_t id, HandoverOutcome outcome, UtcTime now);
  // What ended is written: so that a crash has one message repeated by each channel, and no more.
  void release(const std::string& channel);
  void vanished(std::uint64_t id);  // it is no longer in the store

  std::optional<UtcTime> next_time(UtcTime now) const;  // when begin() will have something
  std::size_t size() const { return channels_of_.size(); }

 private:
  struct Waiting {
    UtcTime created = 0, not_before = 0;
    std::uint32_t attempts = 0;
  };
  struct Channel {
    std::map<std::uint64_t, Waiting> waiting;  // what is under way among it
    bool busy = false;
    bool fresh = false;  // something came while it rested
    UtcTime rest_until = 0, last_attempt = 0;
    std::uint32_t failures = 0;  // in a row
    UtcTime minute = 0;
    std::uint32_t in_minute = 0;
    std::uint32_t per_minute = 0;
  };
  static UtcTime free_from(const Channel& channel, UtcTime now);
  void forget(Channel& channel, std::uint64_t id);
  static std::vector<std::uint64_t> too_old(const Channel& channel, UtcTime now);

  const std::uint32_t mails_per_minute_, others_per_minute_;
  std::map<std::string, Channel> channels_;
  std::map<std::uint64_t, std::string> channels_of_;
};

}  // namespace certline::notices
