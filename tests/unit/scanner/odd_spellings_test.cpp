// Every spelling that some parser reads as an inner address. It is refused, or brought to its plain
// form and then judged. None may pass as a name, because a resolver would be asked for it.

#include <arpa/inet.h>
#include <netdb.h>

#include <catch2/catch.hpp>

#include "protocol/domain.hpp"
#include "scanner/address_policy.hpp"

using namespace certline;
using namespace certline::scanner;

namespace {

// 127.0.0.1, 10.0.0.1, 169.254.169.254 and 0.0.0.0 as inet_aton, URL parsers and IDNA read them.
const char* const kRefused[] = {
    "127.1",
    "127.0.1",
    "0",
    "0.0",
    "00000000000",
    "2130706433",
    "0x7f000001",
    "0X7F000001",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "0000177.0.0.1",
    "127.000.000.001",
    "127.0.0.01",
    "0x7f.0.0.1",
    "0x7f.0x0.0x0.0x1",
    "0x7f.1",
    "0x7f.0.1",
    "0xffffffff7f000001",
    "4294967297",
    "6425673729",
    "127.0.0.0x1",
    "0x7F.0.0.0X1",
    "127.0.65281",
    "010.0.0.1",
    "10.1",
    "0xa000001",
    "167772161",
    "012.0x0.1",
    "169.254.43518",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "0xa9.254.0251.254",
    "127.0.0.1.",
    "127.0.0.1..",
    "127.1.",
    "2130706433.",
    "0x7f.1.",
    ".127.0.0.1",
    "127..0.0.1",
    "127.0.0.1.0",
    "256.0.0.1",
    "383.0.0.1",
    "127.0.0.257",
    "+127.0.0.1",
    "-1",
    "127.0.0.-1",
    "0x",
    "0x.0x",
    "08",
    "127.0.0.09",

    "foo.0x7f000001",
    "evil.2130706433",
    "a.127.1",
    "*.127.0.0.1",
    // Percent encodings are nobody's business here.
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "127.0.0.1%00",
    "127.0.0.1%00.example.org",
    "https://%31%32%37.0.0.1/",
    "https://127%2E1/",
    "%6cocalhost.example%2eorg",
    "[%3a%3a1]",
    "127.0.0.1%2f",
    "%5b::1%5d",
    // Digits and dots of other scripts and widths, which IDNA may fold.
    "\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1",
    "\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97\xef\xbc\x8e\xef\xbc\x90\xef\xbc\x8e\xef\xbc\x90\xef\xbc"
    "\x8e\xef\xbc\x91",
    "127\xe3\x80\x82"
    "0\xe3\x80\x82"
    "0\xe3\x80\x82"
    "1",
    "127\xef\xbd\xa1"
    "0\xef\xbd\xa1"
    "0\xef\xbd\xa1"
    "1",
    "\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.\xe2\x93\xaa.\xe2\x93\xaa.\xe2\x91\xa0",
    "\xc2\xb9\xc2\xb2\xe2\x81\xb7.\xe2\x81\xb0.\xe2\x81\xb0.\xc2\xb9",
    "\xf0\x9d\x9f\x8f\xf0\x9d\x9f\x90\xf0\x9d\x9f\x95.0.0.1",
    "\xd9\xa1\xd9\xa2\xd9\xa7.\xd9\xa0.\xd9\xa0.\xd9\xa1",
    "127.0.0.\xe2\x80\x8b"
    "1",
    "127.0.0.1\xc2\xad",
    "\xef\xbb\xbf"
    "127.0.0.1",
    "0\xef\xbd\x98"
    "7f.1",
    // Brackets, scopes, and what is no address at all.
    "[127.0.0.1]",
    "[2130706433]",
    "[::1%lo]",
    "[::1%25lo]",
    "[::1%251]",
    "fe80::1%eth0",
    "[fe80::1%25eth0]",
    "::1%1",
    "[v1.127.0.0.1]",
    "[::127.1]",
    "[::ffff:127.1]",
    "[::ffff:0177.0.0.1]",
    "[::ffff:0x7f.0.0.1]",
    "[::1",
    "::1]",
    "[[::1]]",
    "[ ::1]",
    "[::00001]",
    "[0:0:0:0:0:0:0:0:1]",
    "[::1].",
    "[::1].example.org",
    // What a URL parser elsewhere takes for another host than this one would.
    "https://example.org@127.0.0.1/",
    "https://127.0.0.1@example.org/",
    "https://example.org\\@127.0.0.1",
    "https://127.0.0.1\\example.org",
    "https:127.0.0.1",
    "https:/127.0.0.1",
    "//127.0.0.1",
    "https:///127.0.0.1",
    "file:///etc/passwd",
    "gopher://127.0.0.1:25/",
    "127.0.0.1/",
    "127.0.0.1#@example.org",
    "127.0.0.1 example.org",
    "127.0.0.1\texample.org",
    "127.0.0.1\r\nexample.org",
};

struct Plain {
  const char *spelling, *address;
};

const Plain kCanonicalised[] = {
    {"127.0.0.1", "127.0.0.1"},
    {"https://127.0.0.1/", "127.0.0.1"},
    {"HTTPS://127.0.0.1:8443/x", "127.0.0.1"},
    {"https://127.0.0.1?@example.org", "127.0.0.1"},
    {"https://127.0.0.1#@example.org", "127.0.0.1"},
    {"0.0.0.0", "0.0.0.0"},
    {"255.255.255.255", "255.255.255.255"},
    {"169.254.169.254:80", "169.254.169.254"},
    {"[::1]", "::1"},
    {"::1", "::1"},
    {"0:0:0:0:0:0:0:1", "::1"},
    {"[0000:0000:0000:0000:0000:0000:0000:0001]:443", "::1"},
    {"::", "::"},
    {"[::ffff:127.0.0.1]", "127.0.0.1"},
    {"[::ffff:7f00:1]", "127.0.0.1"},
    {"[0:0:0:0:0:FFFF:7F00:0001]", "127.0.0.1"},
    {"[::127.0.0.1]", "::127.0.0.1"},
    {"[::7f00:1]", "::127.0.0.1"},
    {"[::ffff:0:127.0.0.1]", "::ffff:0:7f00:1"},
    {"[64:ff9b::127.0.0.1]", "64:ff9b::7f00:1"},
    {"[64:ff9b::a9fe:a9fe]", "64:ff9b::a9fe:a9fe"},
    {"[64:ff9b:1::10.0.0.1]", "64:ff9b:1::a00:1"},
    {"[2002:7f00:1::]", "2002:7f00:1::"},
    {"[2002:a9fe:a9fe::1]", "2002:a9fe:a9fe::1"},
    {"[2001::f5ff:fffe]", "2001::f5ff:fffe"},
    {"[fe80::1]", "fe80::1"},
    {"[FEC0::1]", "fec0::1"},
    {"[fd00:ec2::254]", "fd00:ec2::254"},
};

// What the system's own look-up makes of a name without asking anybody.
bool system_reads_as_address(const char* text) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_flags = AI_NUMERICHOST;
  if (getaddrinfo(text, nullptr, &hints, &found) != 0) return false;
  freeaddrinfo(found);
  return true;
}

}  // namespace

TEST_CASE("odd spellings of inner addresses are refused, under either rule for names") {
  int read_by_the_system = 0;
  for (const char* spelling : kRefused) {
    INFO(quoted(spelling));
    for (const bool special : {false, true}) {
      const auto domain = Domain::parse(spelling, DomainRules{special});
      CHECK(domain.has_error());
      if (domain.has_value()) continue;
      CHECK(domain.error().kind == ErrorKind::invalid_value);
    }
    read_by_the_system += system_reads_as_address(spelling);
  }
  CHECK(read_by_the_system >= 20);  // the danger is a real one
}

TEST_CASE("digits that IDNA does not fold are letters of a name") {
  const auto devanagari =
      Domain::parse("\xe0\xa5\xa7\xe0\xa5\xa8\xe0\xa5\xad.\xe0\xa5\xa6.\xe0\xa5\xa6.\xe0\xa5\xa7");
  REQUIRE(devanagari.has_value());
  CHECK_FALSE(devanagari->ip());
  CHECK(devanagari->host() == "xn--e4bcp.xn--d4b.xn--d4b.xn--e4b");
}

TEST_CASE("whatever the spelling, the address is the one that is judged") {
  const AddressPolicy policy({}, [] { return std::vector<IpAddress>(); });
  for (const Plain& plain : kCanonicalised) {
    INFO(plain.spelling);
    const auto domain = Domain::parse(plain.spelling);
    REQUIRE(domain.has_value());
    REQUIRE(domain->ip());
    CHECK(domain->host() == plain.address);
    CHECK(policy.refusal(*domain->ip()));
    // The scanner gets the text again: it comes back to the same address.
    CHECK(IpAddress::parse(domain->host()) == domain->ip());
  }
}
