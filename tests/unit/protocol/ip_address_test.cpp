// Addresses: strict text in, RFC 5952 text out.
#include "protocol/ip_address.hpp"

#include <catch2/catch.hpp>

using certline::IpAddress;

TEST_CASE("addresses that are read, and how they are written") {
  const std::pair<const char*, const char*> rows[] = {
      {"192.0.2.1", "192.0.2.1"},
      {"0.0.0.0", "0.0.0.0"},
      {"255.255.255.255", "255.255.255.255"},
      {"::", "::"},
      {"::1", "::1"},
      {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
      {"2001:db8::192.0.2.1", "2001:db8::c000:201"},
      {"::ffff:192.0.2.1", "192.0.2.1"},
      {"::ffff:c000:201", "192.0.2.1"},
      {"fe80::1", "fe80::1"},
      {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
  };
  for (const auto& [text, canonical] : rows) {
    INFO(text);
    const auto address = IpAddress::parse(text);
    REQUIRE(address);
    CHECK(address->to_string() == canonical);
    CHECK(IpAddress::parse(address->to_string()) == address);
  }
}

TEST_CASE("texts that are no address") {
  const std::string_view rows[] = {
      "",
      "1",
      "127.1",
      "1.2.3",
      "1.2.3.4.5",
      "1.2.3.256",
      "01.2.3.4",
      "0177.0.0.1",
      "0x7f.0.0.1",
      "1.2.3.4 ",
      " 1.2.3.4",
      "1.2.3.4.",
      "1.2.3.-4",
      "2130706433",
      ":",
      ":::",
      "1::2::3",
      "12345::",
      "[::1]",
      "::1%lo",
      "fe80::1%1",
      "::1/64",
      "::1.2.3",
      "g::1",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "::ffff:1.2.3.4.5",
      "example.org",
      std::string_view("1.2.3.4\0", 8),
      std::string_view("::1\0x", 5),
      "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
  };
  for (const auto text : rows) {
    INFO(text);
    CHECK_FALSE(IpAddress::parse(text));
  }
}

TEST_CASE("IPv4 from a number, order and family") {
  const auto a = IpAddress::v4(0xc0000201);
  CHECK(a.to_string() == "192.0.2.1");
  CHECK(a.is_v4());
  CHECK(IpAddress::parse("::1")->is_v4() == false);
  CHECK(IpAddress::v4(1) < IpAddress::v4(2));
}
