#pragma once
// The values of a request by key, and a command's row with its values to a Request. Every wire cuts
// its own input into keys and values; what a value may be is decided here, once for all of them.
// No allocation before the values themselves.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "protocol/command_table.hpp"
#include "protocol/domain.hpp"

namespace certline {

// Whatever a request may say, in the order of kKeys.
enum class Key : std::uint8_t {
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
inline constexpr std::array<std::string_view, 17> kKeys{
    "command", "domain", "apikey", "email", "starttls", "sha256",  "ip",  "wait", "after",
    "on",      "der",    "token",  "mail",  "digest",   "account", "key", "names"};

// The values of one request; none is empty, so an empty view means absent. Views into the input.
class Pairs {
 public:
  std::string_view operator[](Key key) const { return values_[static_cast<std::size_t>(key)]; }
  bool has(std::size_t index) const { return !values_[index].empty(); }

  // Errors (malformed): an unknown key, one that was put before, no value.
  Result<> put(std::string_view key, std::string_view value);

 private:
  std::array<std::string_view, kKeys.size()> values_{};
};

// ASCII letters of either case; the second is lower case.
bool same_word(std::string_view text, std::string_view lower_case_word);

// Errors: malformed (a key that the row doesn't take, or one that it needs is missing),
// invalid_value, refused.
Result<Request> build_request(const CommandRow& row, const Pairs& pairs, const DomainRules& rules);

// The values of a request by the keys of its row, as another wire than the line has them; absent
// ones are left out. Errors: as Pairs::put() and build_request().
struct ArgumentText {
  std::string_view key, value;
};
Result<Request> parse_arguments(const CommandRow& row, std::span<const ArgumentText> arguments,
                                const DomainRules& rules);

}  // namespace certline
