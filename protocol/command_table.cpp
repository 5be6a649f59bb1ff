// The rows themselves, in the order of the Request variant so that a request's alternative is its
// row. Whatever lists commands (parsing, help, PROTOCOL.md, metrics labels) reads it from here.
#include "protocol/command_table.hpp"

#include <algorithm>
#include <array>

namespace certline {
namespace {

constexpr std::string_view kDomainForm = "name[:port]";

constexpr std::array kClaimArguments{
    ArgumentRow{"email", Need::required, "address"},
    ArgumentRow{"apikey", Need::optional, "K"},
};
constexpr std::array kAddArguments{
    ArgumentRow{"domain", Need::required, kDomainForm},
    ArgumentRow{"apikey", Need::required, "K"},
    ArgumentRow{"starttls", Need::optional, "protocol"},
    ArgumentRow{"sha256", Need::optional, "leaf-digest"},
};
constexpr std::array kExpirationArguments{
    ArgumentRow{"domain", Need::required, kDomainForm},
    ArgumentRow{"apikey", Need::required, "K"},
    ArgumentRow{"ip", Need::optional, "address"},
    ArgumentRow{"wait", Need::optional, "seconds"},
};
constexpr std::array kDomainsArguments{
    ArgumentRow{"apikey", Need::required, "K"},
    ArgumentRow{"after", Need::optional, kDomainForm},
};
constexpr std::array kNameArguments{
    ArgumentRow{"domain", Need::required, kDomainForm},
    ArgumentRow{"apikey", Need::required, "K"},
};
constexpr std::array kAddressesArguments{
    ArgumentRow{"domain", Need::required, kDomainForm},
    ArgumentRow{"apikey", Need::required, "K"},
    ArgumentRow{"after", Need::optional, "address"},
};
constexpr std::array kKeyArguments{
    ArgumentRow{"apikey", Need::required, "K"},
};
constexpr std::array kCertificateArguments{
    ArgumentRow{"der", Need::required, "base64"},
    ArgumentRow{"apikey", Need::required, "K"},
};
constexpr std::array kConfirmArguments{
    ArgumentRow{"token", Need::required, "T"},
};
constexpr std::array kNotifyArguments{
    ArgumentRow{"apikey", Need::required, "K"},
    ArgumentRow{"mail", Need::optional, "on|off"},
    ArgumentRow{"digest", Need::optional, "off|daily|weekly"},
};
constexpr std::array kAfterNumberArguments{
    ArgumentRow{"after", Need::optional, "number"},
};
constexpr std::array kAccountArguments{
    ArgumentRow{"account", Need::required, "number|address"},
};
constexpr std::array kKeysArguments{
    ArgumentRow{"account", Need::required, "number|address"},
    ArgumentRow{"after", Need::optional, "tag"},
};
constexpr std::array kRevokeArguments{
    ArgumentRow{"key", Need::required, "tag"},
};
constexpr std::array kQuotaArguments{
    ArgumentRow{"account", Need::required, "number|address"},
    ArgumentRow{"names", Need::required, "count"},
};
constexpr std::array kHelpArguments{
    ArgumentRow{"on", Need::optional, "command"},
};

constexpr std::array<CommandRow, std::variant_size_v<Request>> kCommands{{
    {"apikey", {}, "makes a fresh random key", "KEY", "command apikey"},
    {"claim", kClaimArguments, "puts a key, or a fresh one, under an e-mail address", "[KEY]",
     "command claim email admin@example.org apikey K"},
    {"add", kAddArguments, "watches a name from now on; asking twice changes nothing",
     "id UUID key MD5 domain D", "command add domain mail.example.org:25 starttls smtp apikey K"},
    {"expiration", kExpirationArguments, "tells whether renewal is due and browsers would accept",
     "domain D certificate_found B renewal_due B expired_found B trusted B renewal_utc N "
     "last_scan_utc N next_scan_utc N addresses N problem P [certificate_sha256 H]",
     "command expiration domain example.org apikey K wait 30"},
    {"domains", kDomainsArguments, "lists the account's names, a page at a time", "D D ...",
     "command domains apikey K after example.org"},
    {"remove", kNameArguments, "stops watching a name", "",
     "command remove domain example.org apikey K"},
    {"scan", kNameArguments, "scans a name now", "", "command scan domain example.org apikey K"},
    {"addresses", kAddressesArguments, "tells the problem of each address, a page at a time",
     "A P A P ...", "command addresses domain example.org apikey K"},
    {"check", kNameArguments, "says in one line what a monitoring system wants to hear",
     "OK|WARNING|CRITICAL|UNKNOWN - D: text | days_left=N;N;0",
     "command check domain example.org apikey K"},
    {"ping", {}, "answers", "pong", "command ping"},
    {"help", kHelpArguments, "lists the commands, or shows how one is used",
     "C C ... or the usage of one", "command help on add"},
    {"status",
     {},
     "tells how the daemon is doing",
     "version V uptime_s N accounts N names N endpoints N certificates N connections N "
     "scans_in_flight N",
     "command status"},
    {"user", kKeyArguments, "tells the e-mail address that a key was claimed for", "[address]",
     "command user apikey K"},
    {"certificate", kCertificateArguments,
     "watches each name of a certificate, and expects it to be served there",
     "id UUID key MD5 names N", "command certificate der MIIB... apikey K"},
    {"confirm", kConfirmArguments, "does what a token from a mail is for, once", "purpose P",
     "command confirm token 0123456789abcdef.0123456789abcdef0123456789abcdef"},
    {"notify", kNotifyArguments, "sets and tells what is mailed to the key's account",
     "mail on|off digest off|daily|weekly [address]", "command notify apikey K digest weekly"},
    {"accounts", kAfterNumberArguments, "lists the accounts, a page at a time",
     "[account N email E state S names N keys N quota N created_utc N]...",
     "command accounts after 17", Access::administrator},
    {"keys", kKeysArguments, "lists an account's keys, a page at a time",
     "[key TAG state S names N created_utc N last_seen_utc N]...",
     "command keys account admin@example.org", Access::administrator},
    {"revoke", kRevokeArguments, "makes a key worthless", "",
     "command revoke key 0123456789abcdef0123456789abcdef", Access::administrator},
    {"verify", kAccountArguments, "takes an account and its keys for confirmed", "",
     "command verify account admin@example.org", Access::administrator},
    {"block", kAccountArguments, "shuts out an account: its keys fail, its names rest", "",
     "command block account 17", Access::administrator},
    {"unblock", kAccountArguments, "undoes block", "", "command unblock account 17",
     Access::administrator},
    {"quota", kQuotaArguments, "sets how many names each key of an account may watch; 0: as usual",
     "", "command quota account 17 names 5000", Access::administrator},
    {"delete", kAccountArguments, "deletes an account with its keys, names and messages", "",
     "command delete account 17", Access::administrator},
    {"deadletters", kAfterNumberArguments, "lists messages that could not be delivered",
     "[id N channel C event E created_utc N]...", "command deadletters after 3",
     Access::administrator},
}};

// A bar would end the cell.
void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
}

void append_cell(std::string& out, std::string_view text) {
  out += " | ";
  if (text.empty()) {
    out += "none";
    return;
  }
  out += '`';
  append_escaped(out, text);
  out += '`';
}

}  // namespace

std::span<const CommandRow> command_table() {
  return kCommands;
}

const CommandRow* find_command(std::string_view lower_case_name) {
  const auto* const row =
      std::find_if(kCommands.begin(), kCommands.end(),
                   [&](const CommandRow& r) { return r.name == lower_case_name; });
  return row == kCommands.end() ? nullptr : row;
}

std::size_t command_index(const Request& request) {
  return request.index();
}

std::string command_usage(const CommandRow& row) {
  std::string out = "command ";
  out += row.name;
  for (const ArgumentRow& argument : row.arguments) {
    const bool optional = argument.need == Need::optional;
    out += optional ? " [" : " ";
    out += argument.key;
    out += ' ';
    out += argument.form;
    if (optional) out += ']';
  }
  return out;
}

std::string commands_markdown() {
  std::string out = "| request | what it does | data line |\n| --- | --- | --- |\n";
  for (const CommandRow& row : kCommands) {
    out += "| `";
    append_escaped(out, command_usage(row));
    out += "` | ";
    out += row.summary;
    append_cell(out, row.data);
    out += " |\n";
  }
  return out;
}

}  // namespace certline
