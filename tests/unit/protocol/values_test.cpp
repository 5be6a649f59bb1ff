// The small values: which text is accepted, which is refused, and how it is kept.
#include "protocol/values.hpp"

#include <catch2/catch.hpp>

#include "tests/unit/protocol/print_result.hpp"

#include "protocol/limits.hpp"

using namespace certline;

TEST_CASE("API keys are 16 to 64 letters, digits and hyphens") {
  CHECK(ApiKey::parse(std::string(kApiKeyMin, 'a')));
  CHECK(ApiKey::parse(std::string(kApiKeyMax, 'Z')));
  CHECK(ApiKey::parse("28a7e10-1fea-ABCDEF")->text() == "28a7e10-1fea-ABCDEF");
  const std::string bad[] = {"",
                             std::string(kApiKeyMin - 1, 'a'),
                             std::string(kApiKeyMax + 1, 'a'),
                             "0123456789abcde_",
                             "0123456789abcde ",
                             "0123456789abcd\xc3\xa9",
                             std::string("0123456789abcdef\0", 17)};
  for (const auto& text : bad) {
    INFO(text);
    const auto key = ApiKey::parse(text);
    REQUIRE_FALSE(key);
    CHECK(key.error().kind == ErrorKind::invalid_value);
    CHECK((text.empty() || key.error().detail.find(text) == std::string::npos));
  }
}

TEST_CASE("e-mail addresses") {
  CHECK(Email::parse("Admin+certs@Example.ORG")->text() == "admin+certs@example.org");
  CHECK(Email::parse("a.b.c@d.e"));
  CHECK(Email::parse("!#$%&'*+-/=?^_`{|}~@example.org"));
  CHECK(Email::parse(std::string(64, 'a') + "@example.org"));
  const std::string long_domain = std::string(63, 'a') + '.' + std::string(63, 'b') + '.' +
                                  std::string(63, 'c') + '.' + std::string(58, 'd');
  const std::string bad[] = {"",
                             "a",
                             "@",
                             "@example.org",
                             "a@",
                             "a@example",
                             "a@@b.org",
                             ".a@b.org",
                             "a.@b.org",
                             "a..b@c.org",
                             "a@-b.org",
                             "a@b-.org",
                             "a@b..org",
                             "a@.org",
                             "a@b.org.",
                             "a b@c.org",
                             "\"a b\"@c.org",
                             "a@[192.0.2.1]",
                             "a@1.2.3.4",
                             "\xc3\xa9@b.org",
                             "a@b_c.org",
                             std::string(65, 'a') + "@example.org",
                             "abcdefghij@" + long_domain};
  for (const auto& text : bad) {
    INFO(text);
    const auto email = Email::parse(text);
    REQUIRE_FALSE(email);
    CHECK(email.error().kind == ErrorKind::invalid_value);
  }
}

TEST_CASE("an e-mail address of exactly 254 bytes is taken, one more is not") {
  const auto make = [](std::size_t size) {
    const std::string domain =
        std::string(63, 'a') + '.' + std::string(63, 'b') + '.' + std::string(57, 'c') + ".org";
    return std::string(size - domain.size() - 1, 'x') + '@' + domain;
  };
  CHECK(make(kEmailBytes).size() == kEmailBytes);
  CHECK(Email::parse(make(kEmailBytes)));
  CHECK_FALSE(Email::parse(make(kEmailBytes + 1)));
}

TEST_CASE("SHA-256 digests, plain and with colons") {
  const std::string plain = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
  const auto digest = parse_sha256(plain);
  REQUIRE(digest);
  CHECK(hex(*digest) == ascii_lower(plain));
  std::string colons;
  for (std::size_t i = 0; i < plain.size(); i += 2) colons += (i ? ":" : "") + plain.substr(i, 2);
  REQUIRE(parse_sha256(colons));
  CHECK(*parse_sha256(colons) == *digest);
  std::string half = colons;
  half[5] = '-';
  std::string odd = plain;
  odd[7] = 'g';
  for (const std::string& bad : {std::string(), plain.substr(1), plain + "0", half, odd,
                                 colons + ":", plain.substr(0, 62) + ":0"}) {
    INFO(bad);
    REQUIRE_FALSE(parse_sha256(bad));
    CHECK(parse_sha256(bad).error().kind == ErrorKind::invalid_value);
  }
}

TEST_CASE("STARTTLS names and ports") {
  const std::pair<const char*, std::uint16_t> rows[] = {
      {"smtp", 25},       {"smtp", 587},   {"imap", 143},         {"pop3", 110},
      {"ftp", 21},        {"ldap", 389},   {"xmpp-client", 5222}, {"xmpp-server", 5269},
      {"postgres", 5432}, {"mysql", 3306}, {"sieve", 4190},       {"nntp", 119},
      {"none", 443},      {"none", 465},   {"none", 0},           {"none", 65535}};
  for (const auto& [name, port] : rows) {
    INFO(name << ' ' << port);
    CHECK(starttls_name(default_starttls(port)) == name);
  }
  for (int i = 0; i < kStarttlsCount; ++i) {
    const auto protocol = static_cast<Starttls>(i);
    CHECK(*parse_starttls(starttls_name(protocol)) == protocol);
  }
  CHECK(*parse_starttls("XMPP-Client") == Starttls::xmpp_client);
  for (const std::string_view bad : {"", "smtps", "smt", "xmpp", "none "}) {
    REQUIRE_FALSE(parse_starttls(bad));
    CHECK(parse_starttls(bad).error().kind == ErrorKind::invalid_value);
  }
  CHECK_FALSE(parse_starttls(std::string(1000, 'a')));
}

TEST_CASE("quoting shows printable ASCII only, cut") {
  CHECK(quoted("abc") == "\"abc\"");
  CHECK(quoted("a\"\\\x1b\n\xc3") == "\"a\\x22\\x5c\\x1b\\x0a\\xc3\"");
  CHECK(quoted("abcdef", 3) == "\"abc...\"");
}

TEST_CASE("each error kind has its line code and its HTTP status") {
  struct Row {
    ErrorKind kind;
    int line, http;
  };
  const Row rows[] = {{ErrorKind::malformed, 400, 400},
                      {ErrorKind::key_unknown, 401, 401},
                      {ErrorKind::refused, 403, 403},
                      {ErrorKind::not_registered, 404, 404},
                      {ErrorKind::registration_closed, 405, 403},
                      {ErrorKind::conflict, 409, 409},
                      {ErrorKind::too_long, 413, 413},
                      {ErrorKind::invalid_value, 422, 422},
                      {ErrorKind::too_many, 429, 429},
                      {ErrorKind::internal, 500, 500},
                      {ErrorKind::unavailable, 503, 503},
                      {ErrorKind::store_full, 507, 507}};
  for (const Row& row : rows) {
    CHECK(line_code(row.kind) == row.line);
    CHECK(http_status(row.kind) == row.http);
    CHECK_FALSE(error_name(row.kind).empty());
  }
}
