// The resolver against a scripted DNS server on loopback.

#include "scanner/resolver.hpp"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>

#include "scripted_dns.hpp"

using namespace certline;
using namespace certline::scanner;
using namespace certline::scanner::test;
using namespace std::string_literals;

namespace {

constexpr int kServfail = 2, kNxdomain = 3, kRefused = 5;

Resolved look_up(const ScriptedDns& dns, const std::string& name, int timeout_ms = 20'000) {
  boost::asio::io_context io;
  auto names = std::make_unique<NameResolver>(
      io, std::vector<Resolver>{{IpAddress::v4(INADDR_LOOPBACK), dns.port()}},
      std::chrono::milliseconds(timeout_ms));
  Resolved out;
  auto ended = [&](const std::exception_ptr& e, Resolved resolved) {
    if (e) std::rethrow_exception(e);
    out = std::move(resolved);
    names.reset();  // abandoned queries must not keep the loop
  };
  boost::asio::co_spawn(io, names->resolve(name), ended);
  io.run();
  return out;
}

std::vector<std::string> texts(const Resolved& r) {
  std::vector<std::string> out;
  for (const IpAddress& a : r.addresses) out.push_back(a.to_string());
  return out;
}

// The same answer to A and to AAAA, but for the records.
DnsAnswer both(const DnsQuestion& q, std::vector<DnsRecord> a, std::vector<DnsRecord> aaaa) {
  return {0, q.type == kTypeA ? std::move(a) : std::move(aaaa)};
}

}  // namespace

TEST_CASE("A and AAAA, sorted and each once") {
  ScriptedDns dns([](const DnsQuestion& q) {
    return both(q, {a_record(0x0a000002), a_record(0x0a000001), a_record(0x0a000002)},
                {aaaa_record("2001:db8::1")});
  });
  const Resolved r = look_up(dns, "www.example.org");
  CHECK(r.state == ScanState::ok);
  CHECK(texts(r) == std::vector<std::string>{"10.0.0.1", "10.0.0.2", "2001:db8::1"});
}

TEST_CASE("a thousand records over TCP: sixteen are used, neither family crowds out the other") {
  ScriptedDns dns([](const DnsQuestion& q) -> DnsAnswer {
    if (!q.tcp) return {0, {}, true};
    std::vector<DnsRecord> many;
    for (std::uint32_t i = 0; i < 1000; ++i) many.push_back(a_record(0x0a000000 + i));
    return both(q, many, {aaaa_record("2001:db8::1")});
  });
  const Resolved r = look_up(dns, "many.example.org");
  CHECK(r.state == ScanState::ok);
  REQUIRE(r.addresses.size() == kAddressesPerName);
  CHECK(std::is_sorted(r.addresses.begin(), r.addresses.end()));
  CHECK(std::count_if(r.addresses.begin(), r.addresses.end(),
                      [](const IpAddress& a) { return a.is_v4(); }) == 15);
}

TEST_CASE("no name, no address, no server") {
  struct Row {
    int a, aaaa;
    ScanState state;
  };
  for (const Row& row :
       {Row{kNxdomain, kNxdomain, ScanState::no_address}, Row{0, 0, ScanState::no_address},
        Row{kServfail, kServfail, ScanState::dns_error},
        Row{kRefused, kRefused, ScanState::dns_error}, Row{0, kServfail, ScanState::dns_error},
        Row{kServfail, 0, ScanState::dns_error}}) {
    ScriptedDns dns(
        [&](const DnsQuestion& q) { return DnsAnswer{q.type == kTypeA ? row.a : row.aaaa}; });
    const Resolved r = look_up(dns, "x.example.org");
    INFO(row.a << " " << row.aaaa << " " << r.detail);
    CHECK(r.state == row.state);
    CHECK(r.addresses.empty());
    CHECK_FALSE(r.detail.empty());
  }
}

TEST_CASE("one family's failure does not hide the other") {
  ScriptedDns dns([](const DnsQuestion& q) -> DnsAnswer {
    if (q.type == kTypeA) return {kServfail};
    return {0, {aaaa_record("2001:db8::2")}};
  });
  CHECK(texts(look_up(dns, "x.example.org")) == std::vector<std::string>{"2001:db8::2"});
}

TEST_CASE("silence ends at the deadline, with what is there") {
  ScriptedDns dns([](const DnsQuestion& q) -> std::optional<DnsAnswer> {
    if (q.name == "half.example.org" && q.type == kTypeA)
      return DnsAnswer{0, {a_record(0x0a000001)}};
    return std::nullopt;
  });
  const Resolved r = look_up(dns, "x.example.org", 50);
  CHECK(r.state == ScanState::dns_error);
  CHECK(texts(look_up(dns, "half.example.org", 1000)) == std::vector<std::string>{"10.0.0.1"});
}

TEST_CASE("aliases, alias loops and labels with NUL") {
  ScriptedDns dns([](const DnsQuestion& q) -> DnsAnswer {
    const DnsRecord target{kTypeA, "\x0a\0\0\x09"s, wire_name("c.example.org")};
    if (q.type != kTypeA) return {};
    if (q.name == "a.example.org") {
      return {0, {cname(q.name, "b.example.org"), cname("b.example.org", "c.example.org"), target}};
    }
    if (q.name == "loop.example.org") {
      return {0, {cname(q.name, "pool.example.org"), cname("pool.example.org", q.name)}};
    }
    if (q.name == "self.example.org") return {0, {cname(q.name, q.name)}};
    return {0,
            {{kTypeCname,
              "\x03"
              "a\0b"s +
                  wire_name("example.org")}}};
  });
  CHECK(texts(look_up(dns, "a.example.org")) == std::vector<std::string>{"10.0.0.9"});
  for (const char* name : {"loop.example.org", "self.example.org", "nul.example.org"}) {
    INFO(name);
    const Resolved r = look_up(dns, name);
    CHECK(r.state != ScanState::ok);
    CHECK(r.addresses.empty());
  }
}

TEST_CASE("circles of aliases and names that no host has are errors, and say so") {
  ScriptedDns dns([](const DnsQuestion& q) -> DnsAnswer {
    if (q.name == "circle.example.org") {
      return {0, {cname(q.name, "b.example.org"), cname("b.example.org", q.name)}};
    }
    if (q.name == "empty.example.org") return {0, {cname(q.name, "b.example.org")}};
    return {0, {{kTypeCname, "\x03"s + "a\0b"s + wire_name("example.org")}}};
  });
  const Resolved circle = look_up(dns, "circle.example.org"), nul = look_up(dns, "nul.example.org"),
                 empty = look_up(dns, "empty.example.org");
  CHECK(circle.state == ScanState::dns_error);
  CHECK(circle.detail.find("circle") != std::string::npos);
  CHECK(nul.state == ScanState::dns_error);
  CHECK(nul.detail.find("no host can have") != std::string::npos);
  CHECK(empty.state == ScanState::no_address);
}

TEST_CASE("records about another name are not this name's") {
  ScriptedDns dns([](const DnsQuestion& q) -> DnsAnswer {
    if (q.type != kTypeA) return {};
    const DnsRecord other{kTypeA, "\x0a\0\0\x09"s, wire_name("other.example.org")};
    if (q.name == "only.example.org") return {0, {other}};
    return {0, {other, a_record(0x0a000001)}};
  });
  CHECK(look_up(dns, "only.example.org").state == ScanState::no_address);
  CHECK(texts(look_up(dns, "both.example.org")) == std::vector<std::string>{"10.0.0.1"});
}

namespace {

// The message with other bytes at one place; both families get an address.
std::string with(std::string message, std::size_t at, const std::string& bytes) {
  return message.replace(at, bytes.size(), bytes);
}

DnsAnswer sent_as(const DnsQuestion& q,
                  std::function<std::vector<std::string>(const std::string&)> packets) {
  DnsAnswer out = both(q, {a_record(0x0a000001)}, {aaaa_record("2001:db8::1")});
  out.packets = std::move(packets);
  return out;
}

}  // namespace

TEST_CASE("forged messages ahead of the real one, and alone") {
  struct Row {
    const char* what;
    std::function<std::string(const std::string&)> forge;
  };
  const Row rows[] = {
      {"another transaction",
       [](const std::string& m) {
         return with(m, 0, {static_cast<char>(m[0] ^ 1), m[1]});
       }},
      {"another question", [](const std::string& m) { return with(m, 13, "zz"); }},
      {"another type",
       [](const std::string& m) {
         return with(m, m.find("\x07"s + "example\x03org\0"s) + 13, {'\0', 99});
       }},
      {"shorter than a header", [](const std::string& m) { return m.substr(0, 11); }},
      {"empty", [](const std::string&) { return std::string(); }},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    ScriptedDns first([&](const DnsQuestion& q) {
      return sent_as(q, [&](const std::string& m) {
        return std::vector<std::string>{row.forge(m), m};
      });
    });
    CHECK(texts(look_up(first, "www.example.org")) ==
          std::vector<std::string>{"10.0.0.1", "2001:db8::1"});
    ScriptedDns alone([&](const DnsQuestion& q) {
      return sent_as(q,
                     [&](const std::string& m) { return std::vector<std::string>{row.forge(m)}; });
    });
    const Resolved none = look_up(alone, "www.example.org", 200);
    CHECK(none.state == ScanState::dns_error);
    CHECK(none.addresses.empty());
  }
}

TEST_CASE("malformed and cut messages end in an error, never in an address from beyond the cut") {
  for (const std::size_t left : {12u, 20u, 40u}) {
    ScriptedDns dns([&](const DnsQuestion& q) {
      return sent_as(
          q, [&](const std::string& m) { return std::vector<std::string>{m.substr(0, left)}; });
    });
    const Resolved r = look_up(dns, "www.example.org", 300);
    INFO(left << ": " << r.detail);
    CHECK(r.state == ScanState::dns_error);
    CHECK(r.addresses.empty());
  }
}

TEST_CASE("a cut answer is asked for again over TCP; where that says nothing, the time ends it") {
  for (const bool answers : {true, false}) {
    ScriptedDns dns([&](const DnsQuestion& q) -> std::optional<DnsAnswer> {
      if (!q.tcp) return DnsAnswer{0, {a_record(0x0a000066)}, true};
      if (!answers) return std::nullopt;
      return both(q, {a_record(0x0a000001)}, {});
    });
    const Resolved r = look_up(dns, "www.example.org", answers ? 20'000 : 300);
    if (answers) CHECK(texts(r) == std::vector<std::string>{"10.0.0.1"});
    if (!answers) {
      CHECK(r.state == ScanState::dns_error);
      CHECK(r.addresses.empty());
    }
  }
}

TEST_CASE("a thousand addresses of each family, public and private ones mixed") {
  ScriptedDns dns([](const DnsQuestion& q) -> DnsAnswer {
    if (!q.tcp) return {0, {}, true};
    std::vector<DnsRecord> four, six;
    for (std::uint32_t i = 0; i < 1000; ++i) {
      four.push_back(a_record((i % 2 == 0 ? 0x7f000000 : 0x08000000) + i));
      six.push_back(aaaa_record("2001:db8::" + std::to_string(i)));
    }
    return both(q, four, six);
  });
  const Resolved r = look_up(dns, "many.example.org");
  REQUIRE(r.addresses.size() == kAddressesPerName);
  CHECK(std::count_if(r.addresses.begin(), r.addresses.end(),
                      [](const IpAddress& a) { return a.is_v4(); }) == 8);
}

TEST_CASE("localhost needs no server") {
  ScriptedDns dns([](const DnsQuestion&) { return DnsAnswer{kNxdomain}; });
  CHECK(texts(look_up(dns, "localhost")) == std::vector<std::string>{"::1", "127.0.0.1"});
}
