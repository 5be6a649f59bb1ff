// What every wire asks about a request. Two answers are in its row of the command table; the key is
// a member of the request. command_table.cpp is next on the way.
#include "protocol/request.hpp"

#include "protocol/command_table.hpp"

namespace certline {
namespace {

const ApiKey* api_key(const ApiKey& key) {
  return &key;
}
const ApiKey* api_key(const std::optional<ApiKey>& key) {
  return key ? &*key : nullptr;
}
const ApiKey* api_key(const KeyTag&) {
  return nullptr;
}

}  // namespace

bool is_write(const Request& request) {
  return command_of(request).kind == Kind::write;
}

bool needs_administrator(const Request& request) {
  return command_of(request).access == Access::administrator;
}

const ApiKey* key_of(const Request& request) {
  return std::visit(
      [](const auto& asked) -> const ApiKey* {
        if constexpr (requires { asked.key; }) {
          return api_key(asked.key);
        } else {
          return nullptr;
        }
      },
      request);
}

}  // namespace certline
