#pragma once
// Limits how many connections each source has, and how fast each source and each key may ask.
// Memory is bounded: a source without connections and with a full bucket is forgotten.

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "protocol/ip_address.hpp"
#include "protocol/limits.hpp"
#include "protocol/source.hpp"
#include "protocol/values.hpp"

namespace certline::server {

using SteadyTime = std::chrono::steady_clock::time_point;

// `burst` requests at once, refilled at `per_minute`. Not thread-safe.
class TokenBucket {
 public:
  // 0: allowed. Otherwise the seconds until the next one will be.
  std::uint32_t take(std::uint32_t per_minute, std::uint32_t burst, SteadyTime now);
  bool full(std::uint32_t per_minute, SteadyTime now) const;
  bool untouched() const { return spent_ == 0; }

 private:
  double spent_ = 0;  // tokens missing from a full bucket, at last_
  SteadyTime last_{};
};

// Thread-safe.
class SourceLimits {
 public:
  // A new connection; false when the source has `most` already. Pair with disconnected().
  bool connected(const IpAddress& source, std::uint32_t most);
  void disconnected(const IpAddress& source);

  // A handshake of a connection that counts; false when there are too many, of this source (unless
  // `free`) or altogether. Pair with handshake_ended(), before disconnected().
  bool handshake_began(const IpAddress& source, const HandshakeLimits& limits, bool free);
  void handshake_ended(const IpAddress& source);

  // Seconds to wait before this request, 0 for none. `key` may be empty.
  std::uint32_t request(const IpAddress& source, std::string_view key, const RateLimits& limits,
                        SteadyTime now);

  std::size_t tracked();  // sources and keys held now

 private:
  struct Source {
    std::uint32_t connections = 0, handshakes = 0;
    TokenBucket bucket;
  };
  struct PrefixHash {
    std::size_t operator()(const IpAddress& a) const;
  };
  void forget_idle(const RateLimits& limits, SteadyTime now);

  std::mutex mutex_;
  std::unordered_map<IpAddress, Source, PrefixHash> sources_;
  std::unordered_map<std::string, TokenBucket> keys_;
  std::size_t forget_at_ = 4096;
  std::uint32_t handshakes_ = 0;
};

}  // namespace certline::server
