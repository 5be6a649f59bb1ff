// Parses each argument of a request. A parser names its key and leaves the grammar to the value's
// own type; each error says what to write instead. command_table.cpp calls these by a command's
// row, next on the way.
#include "protocol/arguments.hpp"

#include <algorithm>
#include <charconv>

#include "protocol/base64.hpp"
#include "protocol/command_table.hpp"
#include "protocol/limits.hpp"

namespace certline {
namespace {

Error malformed(std::string detail) {
  return {ErrorKind::malformed, std::move(detail), 0};
}
Error invalid(std::string detail) {
  return {ErrorKind::invalid_value, std::move(detail), 0};
}

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

// An optional argument: absent is an empty value, wrong is an error.
template <class T, class Parse>
Result<std::optional<T>> optionally(std::string_view text, Parse parse) {
  if (text.empty()) return std::optional<T>{};
  Result<T> value = parse(text);
  if (!value) return value.error();
  return std::optional<T>(std::move(*value));
}

template <Argument key>
Result<IpAddress> parse_ip(std::string_view text) {
  const auto address = IpAddress::parse(text);
  if (!address) {
    return invalid(std::string(kArguments[static_cast<std::size_t>(key)]) + ' ' + quoted(text) +
                   " is no IPv4 or IPv6 address; write it without brackets");
  }
  return *address;
}

Result<std::uint64_t> parse_number(std::string_view key, std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code == std::errc() && end == text.data() + text.size()) return number;
  return invalid(std::string(key) + ' ' + quoted(text) + " is not a whole number");
}

Result<bool> parse_switch(std::string_view text) {
  if (same_word(text, "on")) return true;
  if (same_word(text, "off")) return false;
  return invalid("mail " + quoted(text) + " is not on or off");
}

}  // namespace

bool same_word(std::string_view text, std::string_view lower_case_word) {
  return text.size() == lower_case_word.size() &&
         std::equal(text.begin(), text.end(), lower_case_word.begin(),
                    [](char a, char b) { return lower(a) == b; });
}

Result<> Pairs::put(std::string_view key, std::string_view value) {
  const auto* const known = std::find_if(kArguments.begin(), kArguments.end(),
                                         [&](std::string_view k) { return same_word(key, k); });
  if (known == kArguments.end()) {
    return malformed("unknown key " + quoted(key) +
                     "; a request is pairs of key and value, see: command help");
  }
  const auto index = static_cast<std::size_t>(known - kArguments.begin());
  if ((given_ & argument_bit(index)) != 0) {
    return malformed("key " + std::string(*known) + " is given twice; give it once");
  }
  if (value.empty()) {
    return malformed("key " + std::string(*known) + " has no value; write: " + std::string(*known) +
                     " VALUE");
  }
  values_[index] = value;
  given_ |= argument_bit(index);
  return {};
}

Result<Domain> take_domain(const Arguments& from) {
  return Domain::parse(from.pairs[Argument::domain], from.rules);
}

Result<ApiKey> take_api_key(const Arguments& from) {
  return ApiKey::parse(from.pairs[Argument::apikey]);
}

Result<std::optional<ApiKey>> take_optional_api_key(const Arguments& from) {
  return optionally<ApiKey>(from.pairs[Argument::apikey], ApiKey::parse);
}

Result<Email> take_email(const Arguments& from) {
  return Email::parse(from.pairs[Argument::email]);
}

Result<std::optional<Starttls>> take_starttls(const Arguments& from) {
  return optionally<Starttls>(from.pairs[Argument::starttls], parse_starttls);
}

Result<std::optional<Sha256>> take_sha256(const Arguments& from) {
  return optionally<Sha256>(from.pairs[Argument::sha256], parse_sha256);
}

Result<std::optional<IpAddress>> take_ip(const Arguments& from) {
  return optionally<IpAddress>(from.pairs[Argument::ip], parse_ip<Argument::ip>);
}

Result<std::uint32_t> take_wait(const Arguments& from) {
  const std::string_view text = from.pairs[Argument::wait];
  if (text.empty()) return 0u;
  std::uint32_t seconds = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (code != std::errc() || end != text.data() + text.size() || seconds > kWaitMaxSeconds) {
    return invalid("wait " + quoted(text) + " is not a number of seconds from 0 to 30");
  }
  return seconds;
}

Result<std::optional<std::string>> take_command(const Arguments& from) {
  const std::string_view text = from.pairs[Argument::on];
  if (text.empty()) return std::optional<std::string>{};
  std::string name = ascii_lower(text);
  if (find_command(name) != nullptr) return std::optional<std::string>(std::move(name));
  return invalid("no command " + quoted(text) + "; command help lists them");
}

Result<std::vector<std::uint8_t>> take_der(const Arguments& from) {
  auto der = decode_base64(from.pairs[Argument::der]);
  if (!der) return invalid("der is not base64; write the certificate's DER in base64, one line");
  return std::move(*der);
}

Result<Token> take_token(const Arguments& from) {
  return Token::parse(from.pairs[Argument::token]);
}

Result<std::optional<bool>> take_mail(const Arguments& from) {
  return optionally<bool>(from.pairs[Argument::mail], parse_switch);
}

Result<std::optional<Digest>> take_digest(const Arguments& from) {
  return optionally<Digest>(from.pairs[Argument::digest], parse_digest);
}

Result<AccountName> take_account(const Arguments& from) {
  return parse_account_name(from.pairs[Argument::account]);
}

Result<KeyTag> take_key_tag(const Arguments& from) {
  return parse_key_tag(from.pairs[Argument::key]);
}

Result<std::uint32_t> take_names(const Arguments& from) {
  const auto names = parse_number("names", from.pairs[Argument::names]);
  if (!names) return names.error();
  if (*names > kNamesPerKeyMost) return invalid("names is more than a key can have");
  return static_cast<std::uint32_t>(*names);
}

Result<std::optional<Domain>> take_after_domain(const Arguments& from) {
  return optionally<Domain>(from.pairs[Argument::after],
                            [&](std::string_view text) { return Domain::parse(text, from.rules); });
}

Result<std::optional<IpAddress>> take_after_address(const Arguments& from) {
  return optionally<IpAddress>(from.pairs[Argument::after], parse_ip<Argument::after>);
}

Result<std::uint64_t> take_after_number(const Arguments& from) {
  const std::string_view text = from.pairs[Argument::after];
  return text.empty() ? Result<std::uint64_t>(std::uint64_t{0}) : parse_number("after", text);
}

Result<std::optional<KeyTag>> take_after_tag(const Arguments& from) {
  return optionally<KeyTag>(from.pairs[Argument::after], parse_key_tag);
}

}  // namespace certline
