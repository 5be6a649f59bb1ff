// Two questions about a request that every wire asks, each answered by its type.
#include "protocol/request.hpp"

#include <fmt/format.h>

#include <array>
#include <type_traits>

#include "protocol/command_table.hpp"

namespace certline {
namespace {

template <class T, class... Kinds>
constexpr bool kIsOneOf = (std::is_same_v<T, Kinds> || ...);

template <class T>
constexpr bool kWrites = kIsOneOf<T, ClaimKey, AddDomain, RemoveDomain, ScanDomain, AddCertificate,
                                  ConfirmToken, SetNotify, RevokeKey, VerifyAccount, BlockAccount,
                                  UnblockAccount, SetQuota, DeleteAccount>;

template <class T>
concept Keyed = requires(const T& request) {
  { request.key } -> std::convertible_to<const ApiKey&>;
};

}  // namespace

bool is_write(const Request& request) {
  return std::visit([](const auto& r) { return kWrites<std::decay_t<decltype(r)>>; }, request);
}

bool needs_administrator(const Request& request) {
  return command_table()[command_index(request)].access == Access::administrator;
}

const ApiKey* key_of(const Request& request) {
  return std::visit(
      [](const auto& r) -> const ApiKey* {
        if constexpr (Keyed<std::decay_t<decltype(r)>>) {
          return &r.key;
        } else if constexpr (std::is_same_v<std::decay_t<decltype(r)>, ClaimKey>) {
          return r.key ? &*r.key : nullptr;
        } else {
          return nullptr;
        }
      },
      request);
}

std::string_view check_state_name(CheckState state) {
  static constexpr std::array<std::string_view, 4> kNames{"OK", "WARNING", "CRITICAL", "UNKNOWN"};
  return kNames.at(static_cast<std::size_t>(state));
}

std::string check_line(const CheckResult& result) {
  return fmt::format("{} - {}: {} | days_left={};{};0", check_state_name(result.state),
                     result.domain, result.text,
                     result.days_left ? std::to_string(*result.days_left) : "U", result.due_days);
}

}  // namespace certline
