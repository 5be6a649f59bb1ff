#pragma once
// The values of a request by key, and what each may be. Every wire cuts its own input into keys and
// values; the values are parsed here, once for all of them. Nothing is allocated before the values
// themselves. requests/row.hpp puts these parsers together to a command, next on the way.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/account_values.hpp"
#include "protocol/domain.hpp"
#include "protocol/error.hpp"
#include "protocol/ip_address.hpp"
#include "protocol/values.hpp"

namespace certline {

// Whatever a request may say, by its key; kArguments has the keys in this order.
enum class Argument : std::uint8_t {
  command,
  domain,
  apikey,
  email,
  starttls,
  sha256,
  ip,
  wait,
  after,
  on,
  der,
  token,
  mail,
  digest,
  account,
  key,
  names,
};
inline constexpr std::array<std::string_view, 17> kArguments{
    "command", "domain", "apikey", "email", "starttls", "sha256",  "ip",  "wait", "after",
    "on",      "der",    "token",  "mail",  "digest",   "account", "key", "names"};

// A set of them, a bit each.
using ArgumentSet = std::uint32_t;
static_assert(kArguments.size() <= 32);
constexpr ArgumentSet argument_bit(std::size_t index) {
  return ArgumentSet{1} << index;
}

// The values of one request; none is empty, so an empty view means absent. Views into the input.
class Pairs {
 public:
  std::string_view operator[](Argument key) const { return values_[static_cast<std::size_t>(key)]; }
  ArgumentSet given() const { return given_; }

  // Errors (malformed): an unknown key, one that was put before, no value.
  Result<> put(std::string_view key, std::string_view value);

 private:
  std::array<std::string_view, kArguments.size()> values_{};
  ArgumentSet given_ = 0;
};

// ASCII letters of either case; the second is lower case.
bool same_word(std::string_view text, std::string_view lower_case_word);

struct Arguments {
  const Pairs& pairs;
  const DomainRules& rules;
};

// One parser for each kind of argument. Optional ones are absent where the key is. Errors:
// invalid_value, of domains also refused.
Result<Domain> take_domain(const Arguments& from);
Result<ApiKey> take_api_key(const Arguments& from);
Result<std::optional<ApiKey>> take_optional_api_key(const Arguments& from);
Result<Email> take_email(const Arguments& from);
Result<std::optional<Starttls>> take_starttls(const Arguments& from);
Result<std::optional<Sha256>> take_sha256(const Arguments& from);
Result<std::optional<IpAddress>> take_ip(const Arguments& from);
Result<std::uint32_t> take_wait(const Arguments& from);  // seconds, 0 where absent
Result<std::optional<std::string>> take_command(const Arguments& from);
Result<std::vector<std::uint8_t>> take_der(const Arguments& from);
Result<Token> take_token(const Arguments& from);
Result<std::optional<bool>> take_mail(const Arguments& from);
Result<std::optional<Digest>> take_digest(const Arguments& from);
Result<AccountName> take_account(const Arguments& from);
Result<KeyTag> take_key_tag(const Arguments& from);
Result<std::uint32_t> take_names(const Arguments& from);
// `after` says where a page begins: behind what, depends on the page.
Result<std::optional<Domain>> take_after_domain(const Arguments& from);
Result<std::optional<IpAddress>> take_after_address(const Arguments& from);
Result<std::uint64_t> take_after_number(const Arguments& from);  // 0 where absent
Result<std::optional<KeyTag>> take_after_tag(const Arguments& from);

}  // namespace certline
