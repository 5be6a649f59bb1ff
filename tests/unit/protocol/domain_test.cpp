// Every way to write a domain: its canonical form, or its refusal. With the odd spellings that
// address parsers elsewhere take for loopback.
#include "protocol/domain.hpp"

#include <catch2/catch.hpp>

#include "tests/unit/protocol/print_result.hpp"

#include "protocol/limits.hpp"

using namespace certline;

TEST_CASE("accepted spellings and their canonical form") {
  struct Row {
    const char* text;
    const char* canonical;
    const char* host;
    int port;
  };
  const Row rows[] = {
      {"example.org", "example.org", "example.org", 443},
      {"Example.ORG.", "example.org", "example.org", 443},
      {"example.org:443", "example.org", "example.org", 443},
      {"example.org:8443", "example.org:8443", "example.org", 8443},
      {"example.org.:25", "example.org:25", "example.org", 25},
      {"example.org:65535", "example.org:65535", "example.org", 65535},
      {"example.com", "example.com", "example.com", 443},
      {"www.example.net", "www.example.net", "www.example.net", 443},
      {"*.example.org", "example.org", "example.org", 443},
      {"*.example.org:993", "example.org:993", "example.org", 993},
      {"https://example.org", "example.org", "example.org", 443},
      {"HTTPS://Example.org/Path?q=1#f", "example.org", "example.org", 443},
      {"https://example.org?q", "example.org", "example.org", 443},
      {"https://example.org#f", "example.org", "example.org", 443},
      {"https://example.org:8443/a:b@c", "example.org:8443", "example.org", 8443},
      {"http://example.org", "example.org", "example.org", 443},
      {"http://example.org:80/", "example.org", "example.org", 443},
      {"http://example.org:8080/", "example.org:8080", "example.org", 8080},
      {"https://example.org:80/", "example.org:80", "example.org", 80},
      {"https://[2001:db8::1]:8443/x", "[2001:db8::1]:8443", "2001:db8::1", 8443},
      {"192.0.2.1", "192.0.2.1", "192.0.2.1", 443},
      {"192.0.2.1:25", "192.0.2.1:25", "192.0.2.1", 25},
      {"127.0.0.1", "127.0.0.1", "127.0.0.1", 443},
      {"2001:DB8:0::1", "[2001:db8::1]", "2001:db8::1", 443},
      {"[2001:db8::1]", "[2001:db8::1]", "2001:db8::1", 443},
      {"[2001:db8::1]:25", "[2001:db8::1]:25", "2001:db8::1", 25},
      {"::1", "[::1]", "::1", 443},
      {"[::ffff:192.0.2.1]:25", "192.0.2.1:25", "192.0.2.1", 25},
      {"a-b.c--d.example.org", "a-b.c--d.example.org", "a-b.c--d.example.org", 443},
      {"1.example.org", "1.example.org", "1.example.org", 443},
      {"0x7f.example.org", "0x7f.example.org", "0x7f.example.org", 443},
      {"example.0xg", "example.0xg", "example.0xg", 443},
      {"myexample.org", "myexample.org", "myexample.org", 443},
      {"notlocalhost.org", "notlocalhost.org", "notlocalhost.org", 443},
      {"b\xc3\xbc"
       "cher.de",
       "xn--bcher-kva.de", "xn--bcher-kva.de", 443},
      {"B\xc3\x9c"
       "CHER.DE:25",
       "xn--bcher-kva.de:25", "xn--bcher-kva.de", 25},
      {"https://b\xc3\xbc"
       "cher.de/a",
       "xn--bcher-kva.de", "xn--bcher-kva.de", 443},
      {"fa\xc3\x9f.de", "xn--fa-hia.de", "xn--fa-hia.de", 443},  // not transitional
      {"XN--BCHER-KVA.de", "xn--bcher-kva.de", "xn--bcher-kva.de", 443},
      {"\xe4\xbe\x8b\xe3\x81\x88\xe3\x80\x82\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88",
       "xn--r8jz45g.xn--zckzah", "xn--r8jz45g.xn--zckzah", 443},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const auto domain = Domain::parse(row.text);
    REQUIRE(domain);
    CHECK(domain->canonical() == row.canonical);
    CHECK(domain->host() == row.host);
    CHECK(domain->port() == row.port);
    CHECK(domain->input().size() == std::string_view(row.text).size());
    const auto again = Domain::parse(domain->canonical());
    REQUIRE(again);
    CHECK(again->canonical() == row.canonical);
  }
}

TEST_CASE("addresses are recognised as such, input keeps its spelling in lower case") {
  CHECK(Domain::parse("192.0.2.1")->ip()->to_string() == "192.0.2.1");
  CHECK(Domain::parse("[2001:db8::1]:25")->ip()->to_string() == "2001:db8::1");
  CHECK_FALSE(Domain::parse("example.org")->ip());
  CHECK(Domain::parse("HTTPS://Fish.Example.ORG/A")->input() == "https://fish.example.org/a");
  CHECK(Domain::parse("*.Example.ORG.:443")->input() == "*.example.org.:443");
}

namespace {

const std::string kLabel64(64, 'a');
const std::string kSenseless[] = {
    "",
    // What inet_aton and its kin read as an address.
    "127.1",
    "0x7f.1",
    "0x7f000001",
    "2130706433",
    "0177.0.0.1",
    "127.0.0.01",
    "1.2.3.4.5",
    "1.2.3.4.",
    "256.1.1.1",
    "example.1",
    "example.0x",
    "example.0x1f",
    "example.0X1F.",
    "foo.127",
    "0",
    "*.1.2.3.4",
    "*.127.1",
    "https://2130706433/",
    "\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1",  // fullwidth digits
    "127\xe3\x80\x82"
    "0\xe3\x80\x82"
    "0\xe3\x80\x82"
    "1",  // ideographic full stops
    "\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.\xe2\x93\xaa.\xe2\x93\xaa.\xe2\x91\xa0",  // circled
    // Names.
    "com",
    "intranet",
    "a",
    ".",
    "..",
    ".org",
    "example..org",
    "example.org..",
    ".example.org",
    "-a.org",
    "a-.org",
    "a_b.org",
    "_dmarc.example.org",
    "ex ample.org",
    "a,b.org",
    "a\\b.org",
    "*",
    "*.",
    "*.org",
    "*.*.example.org",
    "w*.example.org",
    "www.*.org",
    kLabel64 + ".org",
    "a\xc2\xad\xc2\xad_.org",
    "xn--a.de",
    "xn--.de",
    "\xff\xfe.org",
    "a\xef\xbc\x8f"
    "b.de",
    // Ports.
    "example.org:",
    "example.org:0",
    "example.org:65536",
    "example.org:+1",
    "example.org:-1",
    "example.org:0443",
    "example.org:4 3",
    "example.org:https",
    "example.org:99999999999",
    // Brackets and IPv6.
    "[",
    "[]",
    "[::1",
    "[::1]x",
    "[::1]:",
    "[::1]:0",
    "[192.0.2.1]",
    "[example.org]:1",
    "::1%lo",
    "[fe80::1%25eth0]:443",
    "[fe80::1%eth0]",
    "1:2:3",
    "::g",
    "example.org:1:2",
    "*.[::1]",
    // URLs.
    "ftp://example.org",
    "smtp://example.org:25",
    "://example.org",
    "https://",
    "https:///path",
    "https://user@example.org/",
    "https://user:pw@example.org/",
    "https://example.org@192.0.2.1/",
    "https://example.org\\@192.0.2.1/",
    "https://example.org:x/",
    "example.org/path",
    "https://example.org/\xc3\xa9",
    // Bytes.
    std::string("a\0b.org", 7),
    "a\tb.org",
    "a\x7f"
    "b.org",
    "example.org\n",
};

}  // namespace

TEST_CASE("values that make no sense") {
  for (const auto& text : kSenseless) {
    INFO(quoted(text));
    const auto domain = Domain::parse(text);
    REQUIRE_FALSE(domain);
    CHECK(domain.error().kind == ErrorKind::invalid_value);
    CHECK(domain.error().detail.size() < 400);
  }
}

TEST_CASE("special-use names need the setting") {
  const char* rows[] = {"localhost",
                        "a.localhost",
                        "localhost.",
                        "LOCALHOST:8443",
                        "printer.local",
                        "db.internal",
                        "abc.onion",
                        "router.home.arpa",
                        "home.arpa",
                        "a.test",
                        "test",
                        "x.invalid",
                        "example",
                        "foo.example",
                        "*.test",
                        "x.alt",
                        "ipv4only.arpa",
                        "https://a.test/",
                        "\xe2\x93\x9bocalhost",
                        "a.t\xef\xbd\x85st"};
  for (const char* text : rows) {
    INFO(text);
    const auto domain = Domain::parse(text);
    REQUIRE_FALSE(domain);
    CHECK(domain.error().kind == ErrorKind::refused);
    CHECK(domain.error().detail.find("scanner.special_names") != std::string::npos);
    CHECK(Domain::parse(text, DomainRules{true}));
  }
  CHECK(Domain::parse("intranet", DomainRules{true})->canonical() == "intranet");
  CHECK_FALSE(Domain::parse("2130706433", DomainRules{true}));
  CHECK_FALSE(Domain::parse("a.127.1", DomainRules{true}));
}

TEST_CASE("lengths at their limits") {
  const auto name = [](std::size_t size) {
    std::string text =
        std::string(63, 'a') + '.' + std::string(63, 'b') + '.' + std::string(63, 'c') + '.';
    return text + std::string(size - text.size(), 'd');
  };
  CHECK(Domain::parse(name(kDomainNameBytes)));
  CHECK(Domain::parse(name(kDomainNameBytes) + "."));
  CHECK(Domain::parse(name(kDomainNameBytes) + ":65535"));
  CHECK_FALSE(Domain::parse(name(kDomainNameBytes + 1)));
  CHECK(Domain::parse(std::string(63, 'a') + ".org"));
  const std::string url = "https://example.org/";
  CHECK(Domain::parse(url + std::string(kDomainInputBytes - url.size(), 'x')));
  CHECK_FALSE(Domain::parse(url + std::string(kDomainInputBytes - url.size() + 1, 'x')));
}
