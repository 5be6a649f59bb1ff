#pragma once
// Looks at the first bytes of a TLS connection before OpenSSL gets them. Pure.

#include <cstddef>
#include <cstdint>
#include <span>

namespace certline::server {

inline constexpr unsigned char kHandshakeRecord = 22;  // the first byte of a TLS connection
inline constexpr std::size_t kRecordHeaderBytes = 5;
inline constexpr std::size_t kClientHelloBytes = 16 * 1024;  // the longest that is looked at

// What the first bytes ask for (RFC 8446 5.1, 4).
struct HelloLook {
  enum class Verdict : std::uint8_t { wait, begin, refuse } verdict = Verdict::wait;
  std::size_t needed = 0;  // with `wait`: bytes from the start, more than there are
};
// `first`: what is there. `begin` as soon as the first record is whole; `refuse` for anything but a
// ClientHello, and for one that announces more than kClientHelloBytes.
HelloLook look_at_hello(std::span<const char> first);

}  // namespace certline::server
