#pragma once
// Lists of types: each family of requests has two, of its requests and of the replies to them.

#include <variant>

namespace certline {

template <class... Types>
struct TypeList {};

// Several lists as one variant, in their order.
template <class List, class... Lists>
struct JoinedLists;
template <class... Types>
struct JoinedLists<TypeList<Types...>> {
  using Variant = std::variant<Types...>;
};
template <class... Left, class... Right, class... Lists>
struct JoinedLists<TypeList<Left...>, TypeList<Right...>, Lists...>
    : JoinedLists<TypeList<Left..., Right...>, Lists...> {};

}  // namespace certline
