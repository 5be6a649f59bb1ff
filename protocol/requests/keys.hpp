#pragma once
// Keys: a fresh one, and one put under an e-mail address.

#include <optional>
#include <string>

#include "protocol/requests/type_list.hpp"
#include "protocol/values.hpp"

namespace certline {

struct NewKey {};
struct ClaimKey {
  Email email;
  std::optional<ApiKey> key;  // absent: one is made
};

struct KeyCreated {
  std::string key;  // 32 hex digits
};
struct Claimed {
  bool created = false;              // false: already yours
  bool mailed = false;               // a confirmation is on its way
  std::string email = {}, key = {};  // as claimed; key empty where the client brought its own
};

using KeyRequests = TypeList<NewKey, ClaimKey>;
using KeyReplies = TypeList<KeyCreated, Claimed>;

}  // namespace certline
