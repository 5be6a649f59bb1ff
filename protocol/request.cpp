// Two questions about a request that every wire asks, each answered by its type.
#include "protocol/request.hpp"

#include <type_traits>

namespace certline {
namespace {

template <class T>
constexpr bool kWrites = std::is_same_v<T, ClaimKey> || std::is_same_v<T, AddDomain> ||
                         std::is_same_v<T, RemoveDomain> || std::is_same_v<T, ScanDomain>;

template <class T>
concept Keyed = requires(const T& request) {
  { request.key } -> std::convertible_to<const ApiKey&>;
};

}  // namespace

bool is_write(const Request& request) {
  return std::visit([](const auto& r) { return kWrites<std::decay_t<decltype(r)>>; }, request);
}

const ApiKey* key_of(const Request& request) {
  return std::visit(
      [](const auto& r) -> const ApiKey* {
        if constexpr (Keyed<std::decay_t<decltype(r)>>) {
          return &r.key;
        } else {
          return nullptr;
        }
      },
      request);
}

}  // namespace certline
