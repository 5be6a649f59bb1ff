#pragma once
// The commands of administrators. None has a route: they are for the Unix socket.

#include "protocol/requests/row.hpp"

namespace certline {

inline constexpr std::array kAdministrationRows{
    row<ListAccounts, AccountPage, take_after_number>({
        .name = "accounts",
        .arguments = "[after number]",
        .access = Access::administrator,
        .summary = "lists the accounts, a page at a time",
        .data = "[account N email E state S names N keys N quota N created_utc N]...",
        .example = "command accounts after 17",
    }),
    row<ListKeys, KeyPage, take_account, take_after_tag>({
        .name = "keys",
        .arguments = "account number|address [after tag]",
        .access = Access::administrator,
        .summary = "lists an account's keys, a page at a time",
        .data = "[key TAG state S names N created_utc N last_seen_utc N]...",
        .example = "command keys account admin@example.org",
    }),
    row<RevokeKey, Changed, take_key_tag>({
        .name = "revoke",
        .arguments = "key tag",
        .kind = Kind::write,
        .access = Access::administrator,
        .summary = "makes a key worthless",
        .example = "command revoke key 0123456789abcdef0123456789abcdef",
    }),
    row<VerifyAccount, Changed, take_account>({
        .name = "verify",
        .arguments = "account number|address",
        .kind = Kind::write,
        .access = Access::administrator,
        .summary = "takes an account and its keys for confirmed",
        .example = "command verify account admin@example.org",
    }),
    row<BlockAccount, Changed, take_account>({
        .name = "block",
        .arguments = "account number|address",
        .kind = Kind::write,
        .access = Access::administrator,
        .summary = "shuts out an account: its keys fail, its names rest",
        .example = "command block account 17",
    }),
    row<UnblockAccount, Changed, take_account>({
        .name = "unblock",
        .arguments = "account number|address",
        .kind = Kind::write,
        .access = Access::administrator,
        .summary = "undoes block",
        .example = "command unblock account 17",
    }),
    row<SetQuota, Changed, take_account, take_names>({
        .name = "quota",
        .arguments = "account number|address names count",
        .kind = Kind::write,
        .access = Access::administrator,
        .summary = "sets how many names each key of an account may watch; 0: as usual",
        .example = "command quota account 17 names 5000",
    }),
    row<DeleteAccount, Changed, take_account>({
        .name = "delete",
        .arguments = "account number|address",
        .kind = Kind::write,
        .access = Access::administrator,
        .summary = "deletes an account with its keys, names and messages",
        .example = "command delete account 17",
    }),
    row<ListDeadLetters, DeadLetterPage, take_after_number>({
        .name = "deadletters",
        .arguments = "[after number]",
        .access = Access::administrator,
        .summary = "lists messages that could not be delivered",
        .data = "[id N channel C event E created_utc N]...",
        .example = "command deadletters after 3",
    }),
};

}  // namespace certline
