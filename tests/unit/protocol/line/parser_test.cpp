// The grammar: every command in every order, and every way a line can be wrong.
#include <catch2/catch.hpp>

#include "tests/unit/protocol/print_result.hpp"

#include <algorithm>

#include "protocol/limits.hpp"
#include "protocol/line/parser.hpp"

using namespace certline;
using namespace certline::line;

namespace {

const std::string kKey = "0123456789abcdef";
const std::string kDigest(64, 'a');
const std::string kToken = "0123456789abcdef.0123456789abcdef0123456789abcdef";

Result<Request> parse(std::string_view line) {
  return parse_line(line, DomainRules{});
}

Error error_of(std::string_view line) {
  const auto request = parse(line);
  REQUIRE_FALSE(request);
  return request.error();
}

template <class T>
T get(std::string_view line) {
  const auto request = parse(line);
  INFO(line);
  REQUIRE(request);
  REQUIRE(std::holds_alternative<T>(*request));
  return std::get<T>(*request);
}

}  // namespace

TEST_CASE("each command is parsed to its request") {
  get<NewKey>("command apikey");
  get<Ping>("command ping");
  get<GetStatus>("command status");
  CHECK_FALSE(get<Help>("command help").on);
  CHECK(get<Help>("command help on ADD").on == "add");

  const auto claim = get<ClaimKey>("command claim email A@Example.org apikey " + kKey);
  CHECK(claim.email.text() == "a@example.org");
  CHECK(claim.key->text() == kKey);
  CHECK_FALSE(get<ClaimKey>("command claim email a@example.org").key);

  const auto plain = get<AddDomain>("command add domain example.org apikey " + kKey);
  CHECK(plain.domain.canonical() == "example.org");
  CHECK_FALSE(plain.starttls);
  CHECK_FALSE(plain.expected);
  const auto full = get<AddDomain>("command add domain example.org:25 starttls SMTP sha256 " +
                                   kDigest + " apikey " + kKey);
  CHECK(full.starttls == Starttls::smtp);
  CHECK(hex(*full.expected) == kDigest);

  const auto asked = get<GetExpiration>("command expiration domain example.org apikey " + kKey);
  CHECK_FALSE(asked.ip);
  CHECK(asked.wait_s == 0);
  const auto waiting = get<GetExpiration>("command expiration domain example.org wait 30 apikey " +
                                          kKey + " ip 2001:db8::1");
  CHECK(waiting.wait_s == kWaitMaxSeconds);
  CHECK(waiting.ip->to_string() == "2001:db8::1");

  CHECK_FALSE(get<ListDomains>("command domains apikey " + kKey).after);
  CHECK(get<ListDomains>("command domains after b.org:25 apikey " + kKey).after->canonical() ==
        "b.org:25");
  CHECK(get<RemoveDomain>("command remove domain a.org apikey " + kKey).domain.host() == "a.org");
  CHECK(get<ScanDomain>("command scan domain a.org apikey " + kKey).key.text() == kKey);
  CHECK_FALSE(get<ListAddresses>("command addresses domain a.org apikey " + kKey).after);
  CHECK(get<ListAddresses>("command addresses domain a.org after ::1 apikey " + kKey)
            .after->to_string() == "::1");
  CHECK(get<CheckDomain>("command check domain a.org:25 apikey " + kKey).domain.port() == 25);
}

TEST_CASE("commands about keys, mail and certificates are parsed to their requests") {
  CHECK(get<GetUser>("command user apikey " + kKey).key.text() == kKey);

  const auto certificate = get<AddCertificate>("command certificate apikey " + kKey + " der AQID");
  CHECK(certificate.der == std::vector<std::uint8_t>{1, 2, 3});
  CHECK(certificate.key.text() == kKey);

  const auto confirm = get<ConfirmToken>("command confirm token " + kToken);
  CHECK(confirm.token.text() == kToken);
  CHECK_FALSE(confirm.purpose);

  const auto asked = get<SetNotify>("command notify apikey " + kKey);
  CHECK_FALSE(asked.mail);
  CHECK_FALSE(asked.digest);
  const auto set = get<SetNotify>("command notify mail OFF digest Weekly apikey " + kKey);
  CHECK(set.mail == false);
  CHECK(set.digest == Digest::weekly);
  CHECK(get<SetNotify>("command notify mail on apikey " + kKey).mail == true);
}

TEST_CASE("administrators' commands are parsed to their requests") {
  const std::string tag = "00112233445566778899aabbccddeeff";
  CHECK(get<ListAccounts>("command accounts").after == 0);
  CHECK(get<ListAccounts>("command accounts after 17").after == 17);
  const auto keys = get<ListKeys>("command keys account A@B.org after " + tag);
  CHECK(std::get<Email>(keys.account).text() == "a@b.org");
  CHECK(hex(*keys.after) == tag);
  CHECK_FALSE(get<ListKeys>("command keys account 3").after);
  CHECK(hex(get<RevokeKey>("command revoke key " + tag).key) == tag);
  CHECK(std::get<std::uint64_t>(get<VerifyAccount>("command verify account 3").account) == 3);
  CHECK(std::get<std::uint64_t>(get<BlockAccount>("command block account 3").account) == 3);
  CHECK(std::get<std::uint64_t>(get<UnblockAccount>("command unblock account 3").account) == 3);
  CHECK(std::get<std::uint64_t>(get<DeleteAccount>("command delete account 3").account) == 3);
  const auto quota = get<SetQuota>("command quota account a@b.org names 5000");
  CHECK(std::get<Email>(quota.account).text() == "a@b.org");
  CHECK(quota.names == 5000);
  CHECK(get<SetQuota>("command quota account 3 names 1000000000").names == kNamesPerKeyMost);
  CHECK(get<ListDeadLetters>("command deadletters").after == 0);
  CHECK(get<ListDeadLetters>("command deadletters after 3").after == 3);
}

TEST_CASE("pairs come in any order, any case, any blanks") {
  std::vector<std::string> pairs{"command ADD", "DOMAIN example.org", "apikey " + kKey,
                                 "StartTLS none"};
  std::sort(pairs.begin(), pairs.end());
  do {
    std::string line = "\t ";
    for (const auto& pair : pairs) line += pair + " \t ";
    const auto add = get<AddDomain>(line);
    CHECK(add.domain.canonical() == "example.org");
    CHECK(add.key.text() == kKey);
    CHECK(add.starttls == Starttls::none);
  } while (std::next_permutation(pairs.begin(), pairs.end()));
  CHECK(get<AddDomain>("apikey " + kKey + "\tdomain\texample.org\tcommand\tadd").key.text() ==
        kKey);
}

TEST_CASE("malformed lines say what to do") {
  const std::string k = " apikey " + kKey;
  const std::pair<std::string, const char*> rows[] = {
      {"command", "command has no value"},
      {"command add domain", "domain has no value"},
      {"help", "unknown key \"help\""},
      {"domain example.org", "no command is given"},
      {"command frobnicate", "unknown command \"frobnicate\"; command help"},
      {"command pings", "unknown command \"pings\""},
      {"command ping colour red", "unknown key \"colour\""},
      {"command ping command ping", "command is given twice"},
      {"command add domain a.org DOMAIN b.org" + k, "domain is given twice"},
      {"command ping" + k, "takes no apikey; write: command ping"},
      {"command remove domain a.org wait 3" + k, "takes no wait"},
      {"command add" + k, "needs domain; write: command add domain name[:port] apikey K"},
      {"command add domain a.org", "needs apikey"},
      {"command claim" + k, "needs email"},
      {"command user", "needs apikey"},
      {"command certificate" + k, "needs der"},
      {"command certificate der AQID", "needs apikey"},
      {"command confirm", "needs token; write: command confirm token T"},
      {"command confirm token " + kToken + k, "takes no apikey"},
      {"command notify mail on", "needs apikey"},
      {"command accounts" + k, "takes no apikey"},
      {"command keys", "needs account"},
      {"command revoke", "needs key"},
      {"command quota account 3", "needs names"},
      {"command delete", "needs account"},
      {"command expiration domain a.org", "needs apikey"},
      {"command domains", "needs apikey"},
      {std::string("command pi\0ng", 13), "control byte"},
      {std::string("command ping\0", 13), "control byte"},
      {"command \x1bping", "control byte"},
      {"command ping\rcommand ping", "control byte"},
      {"command ping \x7f", "control byte"},
      {"\x01", "control byte"},
      {"\xff\xfe x", "unknown key \"\\xff\\xfe\""},
  };
  for (const auto& [line, reason] : rows) {
    INFO(quoted(line));
    const Error error = error_of(line);
    CHECK(error.kind == ErrorKind::malformed);
    CHECK_THAT(error.detail, Catch::Contains(reason));
  }
}

TEST_CASE("values that make no sense are told apart from malformed lines") {
  const std::string k = " apikey " + kKey;
  const std::string rows[] = {
      "command add domain 127.1" + k,
      "command add domain a.org apikey short",
      "command add domain a.org starttls gopher" + k,
      "command add domain a.org sha256 00" + k,
      "command claim email nobody" + k,
      "command claim email a@b.org apikey x",
      "command expiration domain a.org ip 1.2.3" + k,
      "command expiration domain a.org ip [::1]" + k,
      "command expiration domain a.org wait 31" + k,
      "command expiration domain a.org wait -1" + k,
      "command expiration domain a.org wait 1.5" + k,
      "command expiration domain a.org wait 99999999999" + k,
      "command expiration domain a_b.org" + k,
      "command expiration domain a.org apikey x",
      "command domains after localhost.1" + k,
      "command domains apikey x",
      "command remove domain a" + k,
      "command scan domain a.org apikey 0123456789abcde_",
      "command help on frobnicate",
      "command addresses domain a.org after a.org" + k,
      "command certificate der AQI" + k,
      "command certificate der A-_=" + k,
      "command confirm token " + kToken.substr(1),
      "command confirm token x",
      "command notify mail yes" + k,
      "command notify digest hourly" + k,
      "command accounts after a",
      "command accounts after -1",
      "command accounts after 18446744073709551616",
      "command keys account nobody",
      "command keys account 3 after 00",
      "command revoke key 00112233445566778899aabbccddeefg",
      "command quota account 3 names x",
      "command quota account 3 names 1000000001",
      "command block account 3x",
      "command deadletters after x",
  };
  for (const auto& line : rows) {
    INFO(line);
    CHECK(error_of(line).kind == ErrorKind::invalid_value);
  }
  CHECK_THAT(error_of("command expiration domain a.org ip x" + k).detail,
             Catch::StartsWith("ip \"x\" is no IPv4"));
  CHECK_THAT(error_of("command addresses domain a.org after x" + k).detail,
             Catch::StartsWith("after \"x\" is no IPv4"));
  CHECK(error_of("command add domain a.test" + k).kind == ErrorKind::refused);
  CHECK(parse_line("command add domain a.test" + k, DomainRules{true}));
}

TEST_CASE("the table: names, indices, writes and keys fit the requests") {
  const std::string k = " apikey " + kKey;
  struct Row {
    std::string line;
    bool writes = false, administrates = false;
  };
  const Row rows[] = {
      {"command apikey"},
      {"command claim email a@b.org" + k, true},
      {"command add domain a.org" + k, true},
      {"command expiration domain a.org" + k},
      {"command domains" + k},
      {"command remove domain a.org" + k, true},
      {"command scan domain a.org" + k, true},
      {"command addresses domain a.org" + k},
      {"command check domain a.org" + k},
      {"command ping"},
      {"command help"},
      {"command status"},
      {"command user" + k},
      {"command certificate der AQID" + k, true},
      {"command confirm token " + kToken, true},
      {"command notify" + k, true},
      {"command accounts", false, true},
      {"command keys account 3", false, true},
      {"command revoke key 00112233445566778899aabbccddeeff", true, true},
      {"command verify account 3", true, true},
      {"command block account 3", true, true},
      {"command unblock account 3", true, true},
      {"command quota account 3 names 4", true, true},
      {"command delete account 3", true, true},
      {"command deadletters", false, true},
  };
  REQUIRE(command_table().size() == std::size(rows));
  for (std::size_t i = 0; i < std::size(rows); ++i) {
    INFO(rows[i].line);
    const auto request = parse(rows[i].line);
    REQUIRE(request);
    CHECK(&command_of(*request) == &command_table()[i]);
    CHECK(is_write(*request) == rows[i].writes);
    CHECK(needs_administrator(*request) == rows[i].administrates);
    const CommandRow& row = command_table()[i];
    CHECK(rows[i].line.starts_with("command " + std::string(row.name)));
    CHECK(find_command(row.name) == &row);
    const bool keyed = rows[i].line.find(" apikey " + kKey) != std::string::npos;
    REQUIRE((key_of(*request) != nullptr) == keyed);
    if (keyed) CHECK(key_of(*request)->text() == kKey);
  }
  CHECK(find_command("nothing") == nullptr);
}

TEST_CASE("another wire's values are parsed as a line's are") {
  const CommandRow& add = *find_command("add");
  const ArgumentText whole[] = {{"apikey", kKey}, {"domain", "a.org"}, {"starttls", "smtp"}};
  const auto request = parse_arguments(add, whole, DomainRules{});
  REQUIRE(request);
  CHECK(std::get<AddDomain>(*request).starttls == Starttls::smtp);
  const auto kind = [&](std::span<const ArgumentText> arguments) {
    const auto parsed = parse_arguments(add, arguments, DomainRules{});
    REQUIRE_FALSE(parsed);
    return parsed.error().kind;
  };
  CHECK(kind(std::span(whole).first(1)) == ErrorKind::malformed);
  const ArgumentText twice[] = {{"domain", "a.org"}, {"domain", "a.org"}, {"apikey", kKey}};
  CHECK(kind(twice) == ErrorKind::malformed);
  const ArgumentText unknown[] = {{"domain", "a.org"}, {"colour", "red"}, {"apikey", kKey}};
  CHECK(kind(unknown) == ErrorKind::malformed);
  const ArgumentText empty[] = {{"domain", ""}, {"apikey", kKey}};
  CHECK(kind(empty) == ErrorKind::malformed);
  const ArgumentText bad[] = {{"domain", "a b.org"}, {"apikey", kKey}};
  CHECK(kind(bad) == ErrorKind::invalid_value);
}

TEST_CASE("the examples of the table are requests once K is a key") {
  for (const CommandRow& row : command_table()) {
    std::string line(row.example);
    const std::size_t cut = line.find("MIIB...");
    if (cut != std::string::npos) line.replace(cut, 7, "MIIB");
    const std::size_t at = line.find(" K");
    if (at != std::string::npos) line.replace(at + 1, 1, kKey);
    INFO(line);
    const auto request = parse(line);
    REQUIRE(request);
    CHECK(&command_of(*request) == &row);
  }
}

TEST_CASE("the plainest spelling of an expiration request shows its two texts") {
  const auto plain = plain_expiration("command expiration domain a.example.org apikey K");
  REQUIRE(plain.has_value());
  CHECK(plain->domain == "a.example.org");
  CHECK(plain->key == "K");
  for (const auto* const other :
       {"command expiration domain a.example.org", "command expiration apikey K domain a",
        "command  expiration domain a apikey K", "Command expiration domain a apikey K",
        "command expiration domain a  apikey K", "command scan domain a apikey K", ""}) {
    CHECK_FALSE(plain_expiration(other));
  }
  // More pairs stay part of the key's text, which then is nobody's key.
  CHECK(plain_expiration("command expiration domain a apikey K wait 3")->key == "K wait 3");
}
