// The grammar: every command in every order, and every way a line can be wrong.
#include <catch2/catch.hpp>

#include "tests/unit/protocol/print_result.hpp"

#include <algorithm>

#include "protocol/command_table.hpp"
#include "protocol/limits.hpp"

using namespace certline;

namespace {

const std::string kKey = "0123456789abcdef";
const std::string kDigest(64, 'a');

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
  CHECK(claim.key.text() == kKey);

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
  };
  for (const auto& line : rows) {
    INFO(line);
    CHECK(error_of(line).kind == ErrorKind::invalid_value);
  }
  CHECK(error_of("command add domain a.test" + k).kind == ErrorKind::refused);
  CHECK(parse_line("command add domain a.test" + k, DomainRules{true}));
}

TEST_CASE("the table: names, indices, writes and keys fit the requests") {
  const std::string k = " apikey " + kKey;
  const std::pair<std::string, bool> rows[] = {{"command apikey", false},
                                               {"command claim email a@b.org" + k, true},
                                               {"command add domain a.org" + k, true},
                                               {"command expiration domain a.org" + k, false},
                                               {"command domains" + k, false},
                                               {"command remove domain a.org" + k, true},
                                               {"command scan domain a.org" + k, true},
                                               {"command ping", false},
                                               {"command help", false},
                                               {"command status", false}};
  REQUIRE(command_table().size() == std::size(rows));
  for (std::size_t i = 0; i < std::size(rows); ++i) {
    INFO(rows[i].first);
    const auto request = parse(rows[i].first);
    REQUIRE(request);
    CHECK(command_index(*request) == i);
    CHECK(is_write(*request) == rows[i].second);
    const CommandRow& row = command_table()[i];
    CHECK(rows[i].first.starts_with("command " + std::string(row.name)));
    CHECK(find_command(row.name) == &row);
    const bool keyed = rows[i].first.find(kKey) != std::string::npos;
    REQUIRE((key_of(*request) != nullptr) == keyed);
    if (keyed) CHECK(key_of(*request)->text() == kKey);
  }
  CHECK(find_command("nothing") == nullptr);
}

TEST_CASE("the examples of the table are requests once K is a key") {
  for (const CommandRow& row : command_table()) {
    std::string line(row.example);
    const std::size_t at = line.find(" K");
    if (at != std::string::npos) line.replace(at + 1, 1, kKey);
    INFO(line);
    const auto request = parse(line);
    REQUIRE(request);
    CHECK(&command_table()[command_index(*request)] == &row);
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
