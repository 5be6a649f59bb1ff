#pragma once
// The small values of a request, each parsed once at the edge. A constructed value is a valid one.

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/error.hpp"

namespace certline {

// Unix seconds, UTC. 0 stands for "never" on the wire.
using UtcTime = std::int64_t;

using Sha256 = std::array<std::uint8_t, 32>;

// `[A-Za-z0-9-]{16,64}`, case-sensitive.
class ApiKey {
 public:
  static Result<ApiKey> parse(std::string_view text);
  const std::string& text() const { return text_; }
  bool operator==(const ApiKey&) const = default;

 private:
  explicit ApiKey(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// addr-spec in the dot-atom form of RFC 5321 4.1.2 with a domain of two labels or more, whole text
// lower-cased: two spellings that differ in case are one account.
class Email {
 public:
  static Result<Email> parse(std::string_view text);
  const std::string& text() const { return text_; }
  bool operator==(const Email&) const = default;

 private:
  explicit Email(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// 64 hex digits, colons between bytes allowed (as openssl prints them).
Result<Sha256> parse_sha256(std::string_view text);

std::string hex(const std::uint8_t* data, std::size_t size);  // lower case
template <std::size_t N>
std::string hex(const std::array<std::uint8_t, N>& bytes) {
  return hex(bytes.data(), N);
}

// How TLS begins on an endpoint. `none` is TLS from the first byte.
enum class Starttls : std::uint8_t {
  none = 0,
  smtp = 1,
  imap = 2,
  pop3 = 3,
  ftp = 4,
  ldap = 5,
  xmpp_client = 6,
  xmpp_server = 7,
  postgres = 8,
  mysql = 9,
  sieve = 10,
  nntp = 11,
};
inline constexpr int kStarttlsCount = 12;

std::string_view starttls_name(Starttls p);  // "xmpp-client"
Result<Starttls> parse_starttls(std::string_view text);
Starttls default_starttls(std::uint16_t port);  // 25 → smtp …, others none

std::string ascii_lower(std::string_view text);

}  // namespace certline
