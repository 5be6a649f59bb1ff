// Text that is a valid account, key, token or digest, and text that is not.
#include "protocol/account_values.hpp"

#include <catch2/catch.hpp>

#include "tests/unit/protocol/print_result.hpp"

using namespace certline;

TEST_CASE("an account is named by its number or its address") {
  CHECK(std::get<std::uint64_t>(*parse_account_name("0")) == 0);
  CHECK(std::get<std::uint64_t>(*parse_account_name("18446744073709551615")) == UINT64_MAX);
  CHECK(std::get<Email>(*parse_account_name("Admin@Example.org")).text() == "admin@example.org");
  CHECK(std::get<Email>(*parse_account_name("17@example.org")).text() == "17@example.org");
  for (const std::string_view bad :
       {"", "-1", "+1", "1.0", "17x", "18446744073709551616", "admin"}) {
    INFO(bad);
    REQUIRE_FALSE(parse_account_name(bad));
    CHECK(parse_account_name(bad).error().kind == ErrorKind::invalid_value);
  }
}

TEST_CASE("a key's tag is 32 hex digits") {
  const std::string tag = "00112233445566778899aabbccddeeff";
  CHECK(hex(*parse_key_tag(tag)) == tag);
  CHECK(hex(*parse_key_tag("00112233445566778899AABBCCDDEEFF")) == tag);
  const std::string bad[] = {"",
                             tag.substr(1),
                             tag + "0",
                             "g" + tag.substr(1),
                             std::string(31, '0') + '\0',
                             std::string(31, '0') + ' '};
  for (const std::string& text : bad) {
    REQUIRE_FALSE(parse_key_tag(text));
    CHECK(parse_key_tag(text).error().kind == ErrorKind::invalid_value);
  }
}

TEST_CASE("tokens are an identifier, a dot or a hyphen, and a secret") {
  const std::string id = "0123456789abcdef", secret = "fedcba9876543210fedcba9876543210";
  CHECK(Token::parse(id + '.' + secret)->text() == id + '.' + secret);
  CHECK(Token::parse(id + '-' + secret)->text() == id + '-' + secret);
  const std::string bad[] = {"",
                             id + secret,
                             id + '.' + secret.substr(1),
                             id + '.' + secret + '0',
                             id.substr(1) + '.' + secret + '0',
                             id + '_' + secret,
                             id + '.' + secret.substr(1) + '.',
                             "0123456789ABCDEF." + secret,
                             id + '.' + secret.substr(1) + '\0'};
  for (const std::string& text : bad) {
    INFO(text);
    REQUIRE_FALSE(Token::parse(text));
    const Error error = Token::parse(text).error();
    CHECK(error.kind == ErrorKind::invalid_value);
    CHECK((text.empty() || error.detail.find(text) == std::string::npos));
  }
}

TEST_CASE("purposes are named as in links") {
  const std::pair<TokenPurpose, std::string_view> rows[] = {
      {TokenPurpose::confirm, "confirm"},
      {TokenPurpose::revoke, "revoke"},
      {TokenPurpose::block_keys, "block-keys"},
      {TokenPurpose::block_account, "block-account"},
      {TokenPurpose::unsubscribe, "unsubscribe"}};
  for (const auto& [purpose, name] : rows) CHECK(purpose_name(purpose) == name);
}

TEST_CASE("digests") {
  for (const Digest digest : {Digest::off, Digest::daily, Digest::weekly}) {
    CHECK(*parse_digest(digest_name(digest)) == digest);
  }
  CHECK(*parse_digest("WEEKLY") == Digest::weekly);
  for (const std::string_view bad : {"", "on", "dail", "hourly"}) {
    REQUIRE_FALSE(parse_digest(bad));
    CHECK(parse_digest(bad).error().kind == ErrorKind::invalid_value);
  }
}
