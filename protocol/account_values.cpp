// Small grammars, each one table or one loop: numbers, hex digits, words. arguments.cpp calls them
// for both wires.
#include "protocol/account_values.hpp"

#include <algorithm>
#include <charconv>

namespace certline {
namespace {

constexpr std::array<std::string_view, 3> kDigests{"off", "daily", "weekly"};
constexpr std::array<std::string_view, 5> kPurposes{"confirm", "revoke", "block-keys",
                                                    "block-account", "unsubscribe"};
constexpr std::size_t kTokenIdDigits = 16;
constexpr std::size_t kTokenDigits = kTokenIdDigits + 1 + 32;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

Result<AccountName> parse_account_name(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code == std::errc() && end == text.data() + text.size()) return AccountName(number);
  auto email = Email::parse(text);
  if (email) return AccountName(std::move(*email));
  return Error{ErrorKind::invalid_value, "account " + quoted(text) +
                                             " is neither an account's number nor an e-mail "
                                             "address; command accounts lists them"};
}

Result<KeyTag> parse_key_tag(std::string_view text) {
  const Error error{ErrorKind::invalid_value,
                    "key " + quoted(text) + " is not 32 hex digits; command keys lists them"};
  KeyTag tag{};
  if (text.size() != 2 * tag.size()) return error;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int digit = hex_digit(text[i] >= 'A' && text[i] <= 'F' ? char(text[i] + 32) : text[i]);
    if (digit < 0) return error;
    tag[i / 2] = static_cast<std::uint8_t>(tag[i / 2] << 4 | digit);
  }
  return tag;
}

std::string_view purpose_name(TokenPurpose purpose) {
  return kPurposes.at(static_cast<std::size_t>(purpose) - 1);
}

Result<Token> Token::parse(std::string_view text) {
  const bool form =
      text.size() == kTokenDigits && (text[kTokenIdDigits] == '.' || text[kTokenIdDigits] == '-') &&
      std::count_if(text.begin(), text.end(), [](char c) { return hex_digit(c) < 0; }) == 1;
  if (form) return Token(std::string(text));
  return Error{ErrorKind::invalid_value, "this is not a token; copy it whole from the mail"};
}

std::string_view digest_name(Digest digest) {
  return kDigests.at(static_cast<std::size_t>(digest));
}

Result<Digest> parse_digest(std::string_view text) {
  const auto* const found = std::find(kDigests.begin(), kDigests.end(), ascii_lower(text));
  if (found != kDigests.end()) return static_cast<Digest>(found - kDigests.begin());
  return Error{ErrorKind::invalid_value, "digest " + quoted(text) + " is not off, daily or weekly"};
}

}  // namespace certline
