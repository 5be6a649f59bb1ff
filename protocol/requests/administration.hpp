#pragma once
// Requests of administrators: callers on the Unix socket that are root or the daemon's own user.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/account_values.hpp"
#include "protocol/requests/type_list.hpp"
#include "protocol/values.hpp"

namespace certline {

struct ListAccounts {
  std::uint64_t after = 0;
};
struct ListKeys {
  AccountName account;
  std::optional<KeyTag> after;
};
struct RevokeKey {
  KeyTag key;
};
struct VerifyAccount {
  AccountName account;
};
struct BlockAccount {
  AccountName account;
};
struct UnblockAccount {
  AccountName account;
};
struct SetQuota {
  AccountName account;
  std::uint32_t names = 0;  // of each of its keys; 0: what limits.names_per_key says
};
struct DeleteAccount {
  AccountName account;
};
struct ListDeadLetters {
  std::uint64_t after = 0;
};

struct AccountRow {
  std::uint64_t id = 0;
  std::string email;       // empty: none, or not confirmed
  std::string_view state;  // "verified", "unverified", "blocked"
  std::uint64_t names = 0, keys = 0;
  std::uint32_t quota = 0;
  UtcTime created_utc = 0;
};
struct AccountPage {
  std::vector<AccountRow> rows;  // ascending
  bool more = false;
};
struct KeyRow {
  KeyTag key{};
  std::string_view state;  // "confirmed", "unconfirmed", "revoked", "blocked"
  std::uint32_t names = 0;
  UtcTime created_utc = 0, last_seen_utc = 0;
};
struct KeyPage {
  std::vector<KeyRow> rows;  // ascending
  bool more = false;
};
struct Changed {
  std::string text;  // what was done, for people
};
struct DeadLetterRow {
  std::uint64_t id = 0;
  std::string channel, event, reason;
  UtcTime created_utc = 0;
};
struct DeadLetterPage {
  std::vector<DeadLetterRow> rows;  // ascending
  bool more = false;
};

using AdministrationRequests =
    TypeList<ListAccounts, ListKeys, RevokeKey, VerifyAccount, BlockAccount, UnblockAccount,
             SetQuota, DeleteAccount, ListDeadLetters>;
using AdministrationReplies = TypeList<AccountPage, KeyPage, Changed, DeadLetterPage>;

}  // namespace certline
