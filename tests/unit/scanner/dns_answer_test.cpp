// DNS messages as bytes: aliases, compression, records about other names, malformed messages.

#include "scanner/dns_answer.hpp"

#include <catch2/catch.hpp>

#include "scripted_dns.hpp"

using namespace certline;
using namespace certline::scanner;
using namespace certline::scanner::test;
using namespace std::string_literals;

namespace {

std::string two(std::size_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string record(const std::string& owner, int type, const std::string& data, int kind = 1) {
  return owner + two(static_cast<std::size_t>(type)) + two(static_cast<std::size_t>(kind)) +
         "\0\0\0\x3c"s + two(data.size()) + data;
}

constexpr const char* kAsked = "\xc0\x0c";

// An answer about www.example.org with these records behind the question, which ends at byte 33.
std::string message(const std::vector<std::string>& records, std::size_t claimed = 0) {
  std::string out = "\x12\x34\x81\x80"s + two(1) + two(claimed == 0 ? records.size() : claimed) +
                    two(0) + two(0) + wire_name("WWW.example.org") + two(kTypeA) + two(1);
  for (const std::string& r : records) out += r;
  return out;
}

DnsAddresses read(const std::string& bytes, DnsType type = DnsType::a) {
  return read_dns_answer({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, type);
}

std::string a(char last) {
  return "\x0a\0\0"s + last;
}

std::string cname_record(const std::string& owner, const std::string& target) {
  return record(wire_name(owner), kTypeCname, wire_name(target));
}

void check_found(const std::string& bytes, const std::vector<std::string>& wanted) {
  const DnsAddresses found = read(bytes);
  INFO((found.problem != nullptr ? found.problem : "no problem"));
  CHECK(found.problem == nullptr);
  std::vector<std::string> texts;
  for (const IpAddress& address : found.addresses) texts.push_back(address.to_string());
  CHECK(texts == wanted);
}

void check_refused(const std::string& bytes, const std::string& problem) {
  const DnsAddresses found = read(bytes);
  CHECK(found.addresses.empty());
  REQUIRE(found.problem != nullptr);
  CHECK(std::string(found.problem).find(problem) != std::string::npos);
}

}  // namespace

TEST_CASE("the records of the name, and of no other") {
  check_found(message({}), {});
  check_found(message({record(kAsked, kTypeA, a(1)), record(kAsked, kTypeA, a(2))}),
              {"10.0.0.1", "10.0.0.2"});
  check_found(message({record(wire_name("wWw.eXample.ORG"), kTypeA, a(1))}), {"10.0.0.1"});
  check_found(message({record(wire_name("evil.example.net"), kTypeA, a(1)),
                       record(kAsked, kTypeA, a(2)), record(wire_name("example.org"), kTypeA, a(3)),
                       record(std::string(1, '\0'), kTypeA, a(4))}),
              {"10.0.0.2"});
  check_found(message({record(kAsked, kTypeA, a(1), 3)}), {});  // of class CHAOS
  check_found(message({record(kAsked, kTypeAaaa, std::string(16, '\1'))}), {});
  check_found(message({record(kAsked, 16, "\x04text"), record(kAsked, kTypeA, a(5))}),
              {"10.0.0.5"});
  CHECK(read(message({record(kAsked, kTypeAaaa, std::string(16, '\1'))}), DnsType::aaaa)
            .addresses.at(0)
            .to_string() == "101:101:101:101:101:101:101:101");
  const std::string behind =
      message({record(kAsked, kTypeA, a(1)), record(kAsked, kTypeA, a(2))}, 1);
  check_found(behind, {"10.0.0.1"});  // what stands in another section
}

TEST_CASE("aliases are followed in any order, a bounded number of times") {
  const std::string end = record(wire_name("c.example.net"), kTypeA, a(9));
  const std::string first = cname_record("www.example.org", "b.example.org");
  const std::string second = cname_record("b.example.org", "c.example.net");
  check_found(message({first, second, end}), {"10.0.0.9"});
  check_found(message({end, second, first}), {"10.0.0.9"});
  check_found(message({first, end}), {});
  check_found(message({second, end}), {});
  for (const int length : {16, 17}) {
    std::vector<std::string> records = {cname_record("www.example.org", "1.x.org")};
    for (int i = 1; i < length; ++i) {
      records.push_back(
          cname_record(std::to_string(i) + ".x.org", std::to_string(i + 1) + ".x.org"));
    }
    records.push_back(record(wire_name(std::to_string(length) + ".x.org"), kTypeA, a(7)));
    if (length == 16) check_found(message(records), {"10.0.0.7"});
    if (length == 17) check_refused(message(records), "16");
  }
  check_refused(message({cname_record("www.example.org", "www.example.org")}), "circle");
  check_refused(message({first, cname_record("b.example.org", "www.example.org")}), "circle");
  // An address beside the circle belongs to a name that is not in it.
  check_refused(message({first, cname_record("b.example.org", "www.example.org"), end}), "circle");
}

TEST_CASE("labels with NUL and with dots inside are bytes, and no host's") {
  const std::string nul = "\x03"s + "a\0b"s + wire_name("example.org");
  const std::string dot = "\x0bwww.example"s + wire_name("org");
  check_found(message({record(dot, kTypeA, a(1)), record(nul, kTypeA, a(2))}), {});
  for (const std::string& odd : {nul, dot, "\x01 "s + wire_name("org"),
                                 "\x02\xc3\xbc"s + wire_name("org"), std::string(1, '\0')}) {
    check_refused(message({record(kAsked, kTypeCname, odd), record(odd, kTypeA, a(3))}), "alias");
  }
  const std::string service = wire_name("_dns-1.example.org");
  check_found(message({record(kAsked, kTypeCname, service), record(service, kTypeA, a(4))}),
              {"10.0.0.4"});
}

TEST_CASE("malformed messages") {
  const std::string good = message({cname_record("www.example.org", "c.example.net"),
                                    record(wire_name("c.example.net"), kTypeA, a(9))});
  check_found(good, {"10.0.0.9"});
  for (std::size_t size = 0; size < good.size(); ++size) {
    INFO("cut at " << size);
    const DnsAddresses found = read(good.substr(0, size));
    CHECK(found.problem != nullptr);
    CHECK(found.addresses.empty());
  }
  check_refused(message({record(kAsked, kTypeA, "\x0a\0\0"s)}), "malformed");
  check_refused(message({record(kAsked, kTypeA, a(1) + a(2))}), "malformed");
  check_refused(message({record(kAsked, kTypeCname, wire_name("a.org") + "x")}), "malformed");
  check_refused(message({record("\xc0\x21", kTypeA, a(1))}), "malformed");  // points to itself
  check_refused(message({record("\xc0\xff", kTypeA, a(1))}), "malformed");  // and forwards
  check_refused(message({record("\x80\x01", kTypeA, a(1))}), "malformed");  // a reserved kind
  std::string no_question = good;
  no_question[5] = 0;
  check_refused(no_question, "malformed");
  std::string long_name;
  for (int i = 0; i < 4; ++i) long_name += '\x3f' + std::string(63, 'a');
  check_refused(message({record(long_name + '\0', kTypeA, a(1))}), "malformed");
  // Two names that lead into each other: a pointer may go backwards only, so it ends.
  check_refused(message({record("\x01"s + "a\xc0\x23", kTypeA, a(1))}), "malformed");
}

TEST_CASE("every flipped bit of a message: addresses that are in it, or none") {
  const std::string good = message({cname_record("www.example.org", "c.example.net"),
                                    record(wire_name("c.example.net"), kTypeA, a(9))});
  int found = 0;
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bytes = good;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    const DnsAddresses result = read(bytes);
    CHECK((result.problem == nullptr || result.addresses.empty()));
    CHECK(result.addresses.size() <= 1);
    found += static_cast<int>(result.addresses.size());
  }
  CHECK(found > 0);
}
