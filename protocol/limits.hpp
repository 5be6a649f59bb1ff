#pragma once
// The limits of the protocols and the defaults of those that can be configured (the structs). The
// last column of PROTOCOL.md's table of limits names the transcript that crosses each one.

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace certline {

inline constexpr std::size_t kLineBytes = 16'384;      // longest request line, without its end
inline constexpr std::size_t kReplyBytes = 1000;       // a reply fits one `dd bs=1000 count=1`
inline constexpr std::size_t kDomainInputBytes = 512;  // longest value of `domain`
inline constexpr std::size_t kDomainNameBytes = 253;   // RFC 1035 2.3.4, without the root's dot
inline constexpr std::size_t kLabelBytes = 63;         // RFC 1035 2.3.4
inline constexpr std::size_t kEmailBytes = 254;        // RFC 5321 4.5.3.1.3, less the brackets
inline constexpr std::size_t kApiKeyMin = 16;
inline constexpr std::size_t kApiKeyMax = 64;
inline constexpr std::uint32_t kWaitMaxSeconds = 30;
inline constexpr std::size_t kPendingWrites = 64;  // unacknowledged writes of one connection

inline constexpr std::uint32_t kMalformedInRow = 100;              // then the connection is closed
inline constexpr std::size_t kInputBacklogBytes = 2 * kLineBytes;  // then reading pauses
inline constexpr std::chrono::milliseconds kOutputStall{
    1'000};  // full output, nothing taken: close

inline constexpr std::uint16_t kLinePort = 10023;
inline constexpr std::uint16_t kLineTlsPort = 10024;
inline constexpr std::uint16_t kHttpPort = 10080;
inline constexpr std::uint16_t kHttpsPort = 10443;
inline constexpr std::uint32_t kNamesPerKeyMost = 1'000'000'000;

static_assert(kDomainInputBytes + 400 <= kReplyBytes, "a reply that echoes a domain must fit");
static_assert(kDomainInputBytes > kDomainNameBytes);
static_assert(kLineBytes > kDomainInputBytes + kEmailBytes + 2 * kApiKeyMax);
static_assert(kInputBacklogBytes > kLineBytes + 2,
              "an open line of any legal length must be read on");

struct LineLimits {
  std::chrono::milliseconds quiet{100};  // an unterminated request ends after this silence
  std::chrono::milliseconds first_request{10'000};
  std::chrono::milliseconds idle{60'000};
  std::size_t unread_output_bytes = 65'536;  // then the connection is closed
  std::uint32_t connections = 10'000;
  std::uint32_t connections_per_source = 256;  // per IPv4 address, per IPv6 /64
};

// Token buckets: `burst` requests at once, then `per_minute`.
struct RateLimits {
  std::uint32_t source_per_minute = 600;
  std::uint32_t source_burst = 1200;
  std::uint32_t key_per_minute = 60;
  std::uint32_t key_burst = 120;  // as many as a window of 60 a minute lets through at its edge
  bool exempt_loopback = true;
};

struct AccountLimits {
  std::uint32_t names_per_key = 1000;
  std::uint32_t scan_interval_s = 10;         // between two `command scan` of one name
  std::uint32_t unconfirmed_keys = 100;       // claimed for one e-mail address and not confirmed
  std::uint32_t new_accounts_per_source = 5;  // of one source and day; loopback is free
};

// HTTP (RFC 9112), beyond what LineLimits say of connections and sources.
struct HttpLimits {
  std::chrono::milliseconds head{10'000};  // first byte of a request to the end of its head
  std::chrono::milliseconds idle{15'000};  // between two requests of a connection
  std::uint32_t body_bytes_per_s = 1'000;  // the body must come at least that fast
  std::uint32_t requests_per_connection = 100;
};
inline constexpr std::size_t kHttpHeadBytes = 8'192;
inline constexpr std::size_t kHttpFields = 64;
inline constexpr std::size_t kHttpTargetBytes = 2'048;
inline constexpr std::size_t kHttpBodyBytes = 65'536;

// TLS servers. A client that began a handshake may hold a buffer as large as it announced.
struct HandshakeLimits {
  std::chrono::milliseconds deadline{5'000};
  std::uint32_t in_total = 256;
  std::uint32_t per_source = 16;
};

}  // namespace certline
