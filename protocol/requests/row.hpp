#pragma once
// How a row of the command table is written: the request and the reply by their types, a parser for
// each member of the request in its order, and the words. What doesn't fit together (a key that
// doesn't exist, more parsers than arguments) doesn't compile. For command_table.cpp only.

#include <algorithm>
#include <type_traits>

#include "protocol/command_table.hpp"

namespace certline {

// The key at the front of "key form …" or "[key form] …", and whether it may be left out.
struct ArgumentForm {
  std::string_view key;
  bool optional = false;
};

// Cuts the next argument off the text of a row.
constexpr ArgumentForm next_argument(std::string_view& arguments) {
  const bool optional = arguments.starts_with('[');
  const std::size_t key_end = arguments.find(' ');
  const std::string_view key = arguments.substr(optional ? 1 : 0, key_end - (optional ? 1 : 0));
  const std::size_t form_end = std::min(arguments.find(' ', key_end + 1), arguments.size());
  arguments.remove_prefix(std::min(form_end + 1, arguments.size()));
  return {key, optional};
}

constexpr ArgumentSet argument_bit(std::string_view key) {
  for (std::size_t i = 0; i < kArguments.size(); ++i) {
    if (kArguments[i] == key) return argument_bit(i);
  }
  throw "a row names a key that kArguments doesn't have";
}

// Which alternative of a variant a type is.
template <class T, class... Types>
constexpr std::size_t alternative(const std::variant<Types...>*) {
  constexpr std::array<bool, sizeof...(Types)> kSame{std::is_same_v<T, Types>...};
  return static_cast<std::size_t>(std::find(kSame.begin(), kSame.end(), true) - kSame.begin());
}

// Parses one value after the other; the first error is the answer.
template <class Asked, class... Values>
Result<Request> build_with(const Arguments&, Values&... values) {
  return Request(Asked{std::move(values)...});
}
template <class Asked, auto First, auto... Rest, class... Values>
Result<Request> build_with(const Arguments& from, Values&... values) {
  auto value = First(from);
  if (!value) return value.error();
  return build_with<Asked, Rest...>(from, values..., *value);
}
template <class Asked, auto... Take>
Result<Request> build(const Arguments& from) {
  return build_with<Asked, Take...>(from);
}

template <class Asked, class Answered, auto... Take>
consteval CommandRow row(CommandRow row) {
  std::size_t count = 0;
  for (std::string_view rest = row.arguments; !rest.empty(); ++count) {
    const ArgumentForm argument = next_argument(rest);
    row.takes |= argument_bit(argument.key);
    if (!argument.optional) row.needs |= argument_bit(argument.key);
  }
  if (count != sizeof...(Take)) throw "a row needs one parser for each of its arguments";
  row.build = build<Asked, Take...>;
  row.request = alternative<Asked>(static_cast<const Request*>(nullptr));
  row.reply = alternative<Answered>(static_cast<const ReplyBody*>(nullptr));
  return row;
}

// Reads better than a braced list in a row.
template <ErrorKind... Kinds>
inline constexpr std::array<ErrorKind, sizeof...(Kinds)> kFails{Kinds...};

}  // namespace certline
