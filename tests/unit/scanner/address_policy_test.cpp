// Every denied range at its first and last address and at both neighbours, addresses that wrap
// another address, and what scanner.allow opens.

#include "scanner/address_policy.hpp"

#include <catch2/catch.hpp>
#include <cstdio>

using namespace certline;
using namespace certline::scanner;

namespace {

IpAddress ip(const std::string& text) {
  const auto parsed = IpAddress::parse(text);
  INFO(text);
  REQUIRE(parsed);
  return *parsed;
}

AddressPolicy policy(const std::vector<std::string>& allow = {}, std::vector<IpAddress> own = {}) {
  std::vector<Network> networks;
  for (const std::string& text : allow) networks.push_back(Network::parse(text).value());
  return AddressPolicy(networks, [own] { return own; });
}

bool denied(const std::string& text) {
  return policy().refusal(ip(text)).has_value();
}

struct Range {
  const char *first, *last;
  const char *before, *after;  // public neighbours; nullptr: the neighbour is denied as well
};

const Range kRanges[] = {
    {"0.0.0.0", "0.255.255.255", nullptr, "1.0.0.0"},
    {"10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"},
    {"100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0"},
    {"127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0"},
    {"168.63.129.16", "168.63.129.16", "168.63.129.15", "168.63.129.17"},
    {"169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0"},
    {"172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"},
    {"192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0"},
    {"192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0"},
    {"192.31.196.0", "192.31.196.255", "192.31.195.255", "192.31.197.0"},
    {"192.52.193.0", "192.52.193.255", "192.52.192.255", "192.52.194.0"},
    {"192.88.99.0", "192.88.99.255", "192.88.98.255", "192.88.100.0"},
    {"192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0"},
    {"192.175.48.0", "192.175.48.255", "192.175.47.255", "192.175.49.0"},
    {"198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0"},
    {"198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0"},
    {"203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0"},
    {"224.0.0.0", "239.255.255.255", "223.255.255.255", nullptr},
    {"240.0.0.0", "255.255.255.255", nullptr, nullptr},
    {"::", "::", nullptr, nullptr},
    {"::1", "::1", nullptr, nullptr},
    {"64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "64:ff9b:0:ffff:ffff:ffff:ffff:ffff",
     "64:ff9b:2::"},
    {"100::", "100::ffff:ffff:ffff:ffff", "ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nullptr},
    {"100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff", nullptr, "100:0:0:2::"},
    {"2001:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", nullptr, "2001:200::"},
    {"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
     "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"},
    {"2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff",
     "2620:4f:7fff:ffff:ffff:ffff:ffff:ffff", "2620:4f:8001::"},
    {"3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     "3fff:1000::"},
    {"5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     "5f01::"},
    {"fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     "fe00::"},
    {"fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     nullptr},
    {"fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nullptr, nullptr},
    {"ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nullptr, nullptr},
    // Entries of the IANA registries inside others: denied to their edges, too.
    {"0.0.0.0", "0.0.0.0", nullptr, nullptr},
    {"192.0.0.0", "192.0.0.7", nullptr, nullptr},      // DS-Lite
    {"192.0.0.8", "192.0.0.10", nullptr, nullptr},     // dummy, PCP and TURN anycast
    {"192.0.0.170", "192.0.0.171", nullptr, nullptr},  // NAT64 discovery
    {"255.255.255.255", "255.255.255.255", nullptr, nullptr},
    {"2001:1::1", "2001:1::3", nullptr, nullptr},  // PCP, TURN, DNS-SD anycast
    {"2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", nullptr, nullptr},        // benchmarks
    {"2001:3::", "2001:3:ffff:ffff:ffff:ffff:ffff:ffff", nullptr, nullptr},     // AMT
    {"2001:4:112::", "2001:4:112:ffff:ffff:ffff:ffff:ffff", nullptr, nullptr},  // AS112
    {"2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", nullptr, nullptr},   // ORCHID
    {"2001:20::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", nullptr, nullptr},   // ORCHIDv2
    {"2001:30::", "2001:3f:ffff:ffff:ffff:ffff:ffff:ffff", nullptr, nullptr},   // drone ids
};

// What wraps an IPv4 address: the prefix, then the address, then the rest. Beyond the prefix
// nothing is unwrapped.
struct Wrapping {
  const char *prefix, *rest;
  const char *before, *after;  // neighbours of the whole prefix, public; nullptr: denied anyway
};

const Wrapping kWrappings[] = {
    {"::", "", nullptr, nullptr},
    {"::ffff:", "", nullptr, nullptr},
    {"::ffff:0:", "", "::fffe:ffff:ffff:ffff", "::ffff:1:0:0"},
    {"64:ff9b::", "", "64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", "64:ff9b::1:0:0"},
    {"2002:", "::", "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::"},
    {"2002:", ":ffff:ffff:ffff:ffff:ffff", nullptr, nullptr},
    {"2001:0:", "::f7f7:f7f7", "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nullptr},
};

std::string hex_words(const IpAddress& v4) {
  char text[16];
  std::snprintf(text, sizeof text, "%x:%x", v4.bytes[12] * 256u + v4.bytes[13],
                v4.bytes[14] * 256u + v4.bytes[15]);
  return text;
}

struct Single {
  const char* address;
  bool refused;
};

const Single kWrapped[] = {
    {"::ffff:127.0.0.1", true},
    {"::ffff:8.8.8.8", false},
    {"::127.0.0.1", true},
    {"::2", true},
    {"::8.8.8.8", false},
    {"64:ff9b::10.0.0.1", true},
    {"64:ff9b::8.8.8.8", false},
    {"64:ff9b::1:808:808", false},
    {"2002:7f00:1::1", true},
    {"2002:808:808::1", false},
    {"2002:a9fe:a9fe::", true},
    {"2003::1", false},
    // Teredo: server in bytes 4..7, client in the last four, flipped: 8.8.8.8 is f7f7:f7f7.
    {"2001:0:808:808:0:0:f7f7:f7f7", false},
    {"2001:0:808:808:0:0:80ff:fffe", true},  // client 127.0.0.1
    {"2001:0:7f00:1:0:0:f7f7:f7f7", true},   // server 127.0.0.1
    {"8.8.8.8", false},
    {"2606:4700::1111", false},
};

}  // namespace

TEST_CASE("each range is denied to its edges and not beyond") {
  for (const Range& r : kRanges) {
    INFO(r.first << " - " << r.last);
    CHECK(denied(r.first));
    CHECK(denied(r.last));
    if (r.before != nullptr) CHECK_FALSE(denied(r.before));
    if (r.after != nullptr) CHECK_FALSE(denied(r.after));
  }
}

TEST_CASE("every IPv4 range stays denied to its edges inside every wrapping") {
  int wrapped = 0;
  for (const Wrapping& w : kWrappings) {
    if (w.before != nullptr) CHECK_FALSE(denied(w.before));
    if (w.after != nullptr) CHECK_FALSE(denied(w.after));
    for (const Range& r : kRanges) {
      for (const char* inner : {r.first, r.last, r.before, r.after}) {
        if (inner == nullptr || !ip(inner).is_v4()) continue;
        const std::string outer = w.prefix + hex_words(ip(inner)) + w.rest;
        INFO(inner << " in " << outer);
        CHECK(denied(outer) == denied(inner));
        ++wrapped;
      }
    }
  }
  CHECK(wrapped > 400);
}

TEST_CASE("an address inside another is judged") {
  for (const Single& s : kWrapped) {
    INFO(s.address);
    CHECK(denied(s.address) == s.refused);
  }
}

TEST_CASE("the refusal names the setting that permits") {
  CHECK(policy().refusal(ip("127.0.0.1")) ==
        "127.0.0.1 is loopback; scanner.allow = [\"127.0.0.0/8\"] in the configuration permits it");
  const auto wrapped = policy().refusal(ip("2001:0:a83f:8110:ffff:ffff:5555:5555"));
  REQUIRE(wrapped);
  CHECK(wrapped->find("scanner.allow = [\"168.63.129.16/32\"]") != std::string::npos);
  CHECK(wrapped->size() <= 200);
}

TEST_CASE("an allowed network opens what it contains, also inside a wrapper") {
  const AddressPolicy p = policy({"10.0.0.0/8", "::1"});
  CHECK_FALSE(p.refusal(ip("10.1.2.3")));
  CHECK_FALSE(p.refusal(ip("64:ff9b::10.1.2.3")));
  CHECK_FALSE(p.refusal(ip("::1")));
  CHECK(p.refusal(ip("11.0.0.1")) == std::nullopt);
  CHECK(p.refusal(ip("127.0.0.1")));
  CHECK(p.refusal(ip("64:ff9b::127.0.0.1")));
  CHECK_FALSE(policy({"64:ff9b::/96"}).refusal(ip("64:ff9b::127.0.0.1")));
  CHECK(policy({"::/0"}).refusal(ip("127.0.0.1")));  // all of IPv6 is not IPv4
  CHECK(policy({"0.0.0.0/0"}).refusal(ip("::1")));
  CHECK_FALSE(AddressPolicy::allow_everything().refusal(ip("127.0.0.1")));
}

TEST_CASE("this host's own addresses are denied, wrapped or not") {
  const AddressPolicy p = policy({}, {ip("8.8.8.8"), ip("2606:4700::1111")});
  CHECK(p.refusal(ip("8.8.8.8")) ==
        "8.8.8.8 is this host's own; scanner.allow = [\"8.8.8.8/32\"] in the configuration permits "
        "it");
  CHECK(p.refusal(ip("2606:4700::1111")));
  CHECK(p.refusal(ip("2002:808:808::1")));
  CHECK_FALSE(p.refusal(ip("8.8.4.4")));
  CHECK_FALSE(policy({"8.8.8.8"}, {ip("8.8.8.8")}).refusal(ip("8.8.8.8")));
  const auto own = interface_addresses();
  CHECK(std::find(own.begin(), own.end(), ip("127.0.0.1")) != own.end());
}

TEST_CASE("networks are parsed strictly") {
  for (const char* good : {"10.0.0.0/8", "0.0.0.0/0", "1.2.3.4", "::/0", "fe80::/10", "::1/128"}) {
    INFO(good);
    CHECK(Network::parse(good).has_value());
  }
  for (const char* bad :
       {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "::1/129", "fe80::1/10",
        "10.0.0.0/-1", "10.0.0.0/8 ", "10.0.0.0/0x8", "10.0.0.0/0008", "a/8", "10/8"}) {
    INFO(bad);
    REQUIRE(Network::parse(bad).has_error());
    CHECK(Network::parse(bad).error().kind == ErrorKind::invalid_value);
  }
  CHECK(Network::parse("10.0.0.0/8").value().to_string() == "10.0.0.0/8");
  CHECK(Network::parse("fe80::/10").value().to_string() == "fe80::/10");
}
