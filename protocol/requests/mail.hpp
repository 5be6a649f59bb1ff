#pragma once
// What is mailed to an account.

#include <optional>
#include <string>

#include "protocol/account_values.hpp"
#include "protocol/requests/type_list.hpp"
#include "protocol/values.hpp"

namespace certline {

struct SetNotify {  // and tells: without settings it changes nothing
  ApiKey key;
  std::optional<bool> mail;
  std::optional<Digest> digest;
};

struct NotifyState {
  std::string address;  // empty: none is known
  bool mail = true;
  Digest digest = Digest::off;
};

using MailRequests = TypeList<SetNotify>;
using MailReplies = TypeList<NotifyState>;

}  // namespace certline
