#pragma once
// The values that requests about accounts are made of, each parsed once at the edge.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "protocol/error.hpp"
#include "protocol/values.hpp"

namespace certline {

// How administrators name an account: by its number, or by its e-mail address.
using AccountName = std::variant<std::uint64_t, Email>;
Result<AccountName> parse_account_name(std::string_view text);

// How administrators name a key. Only its SHA-256 is stored, so they give the first half of that in
// 32 hex digits.
using KeyTag = std::array<std::uint8_t, 16>;
Result<KeyTag> parse_key_tag(std::string_view text);

// What a link or a line with a token does. The numbers are stored: never reuse one.
enum class TokenPurpose : std::uint8_t {
  confirm = 1,        // the e-mail address and the key that was claimed for it
  revoke = 2,         // that key
  block_keys = 3,     // further keys that are claimed for the address without being asked for
  block_account = 4,  // the account and all its keys
  unsubscribe = 5,    // mail to the address
};
std::string_view purpose_name(TokenPurpose purpose);  // "block-keys", as in links

// `ID.SECRET`, 16 and 32 lower-case hex digits; of unsubscribe, `ID-MAC`, 16 and 32.
class Token {
 public:
  static Result<Token> parse(std::string_view text);
  const std::string& text() const { return text_; }
  bool operator==(const Token&) const = default;

 private:
  explicit Token(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// How often an account gets a summary. The numbers are stored.
enum class Digest : std::uint8_t { off = 0, daily = 1, weekly = 2 };
std::string_view digest_name(Digest digest);
Result<Digest> parse_digest(std::string_view text);

}  // namespace certline
