// The names of a certificate added together, and what the reply says of each address.
#include <catch2/catch.hpp>

#include "protocol/base64.hpp"
#include "tests/unit/daemon/service/accounts_fixture.hpp"
#include "tests/unit/pki/make_certificate.hpp"

using namespace certline;
using namespace certline::runtime;
using namespace certline::service;

namespace {

std::vector<std::uint8_t> certificate(const std::vector<std::string>& names) {
  pki::test::Spec spec;
  spec.names = names;
  return pki::test::make(spec).observed().der;
}

std::string request(const std::vector<std::uint8_t>& der, const std::string& key) {
  return "command certificate der " + encode_base64(der) + " apikey " + key;
}

}  // namespace

TEST_CASE("each name of a certificate is watched, and the certificate expected there") {
  AccountsFixture f{Config{}};
  const auto der = certificate({"DNS:www.example.org", "DNS:WWW.example.org", "DNS:*.example.net",
                                "DNS:example.net", "IP:8.8.8.8", "IP:10.0.0.1", "DNS:printer",
                                "DNS:host.local", "email:a@example.org"});
  const Sha256 leaf = pki::sha256(der);
  const Reply reply = f.ask(request(der, kKey));
  REQUIRE(reply.has_value());
  const auto added = std::get<CertificateAdded>(*reply);
  CHECK(added.names == 3);
  CHECK(added.refused == 3);
  CHECK(added.key == hex(pki::md5("CERT:" + encode_base64(der))));
  CHECK(added.id.substr(0, 8) == hex(leaf).substr(0, 8));
  CHECK(added.id[14] == '8');
  CHECK(f.line("command domains apikey " + kKey)
            .starts_with("data 8.8.8.8 example.net www.example.org\n"));
  for (const std::string name : {"8.8.8.8", "example.net", "www.example.org"}) {
    CHECK(f.watch(name, kKey).expected == leaf);
    CHECK(f.is_due(name, kKey));
  }
  CHECK(f.key(kKey).names == 3);

  CHECK(f.line(request(der, kKey)).starts_with("status error 409 already inserted"));
  REQUIRE(f.code("command remove domain example.net apikey " + kKey) == 200);
  CHECK(f.line(request(der, kKey)) == "data id " + added.id + " key " + added.key +
                                          " names 3\nstatus ok 200 watched, without 3 names that "
                                          "the rules of this server forbid\n");
  // Another certificate takes its place.
  const auto next = certificate({"DNS:www.example.org"});
  CHECK(f.code(request(next, kKey)) == 200);
  CHECK(f.watch("www.example.org", kKey).expected == pki::sha256(next));
  CHECK(f.code(request(der, kKey)) == 200);
}

TEST_CASE("a certificate that cannot be watched changes nothing") {
  Config config;
  config.accounts.names_per_key = 2;
  AccountsFixture f(config);
  CHECK(f.code(request({0x30, 0x03, 0x02, 0x01, 0x01}, kKey)) == 422);
  CHECK(f.code(request(certificate({}), kKey)) == 422);
  CHECK(f.code(request(certificate({"DNS:host.local"}), kKey)) == 403);
  CHECK(f.code(request(certificate({"IP:10.0.0.1"}), kKey)) == 403);
  CHECK(f.code(request(certificate({"DNS:a.example.org", "DNS:b.example.org", "DNS:c.example.org"}),
                       kKey)) == 429);
  CHECK(f.store->read().counts().accounts == 0);
  CHECK(f.store->read().counts().endpoints == 0);
  REQUIRE(f.code("command add domain a.example.org apikey " + kKey) == 200);
  CHECK(f.code(request(certificate({"DNS:a.example.org", "DNS:b.example.org", "DNS:c.example.org"}),
                       kKey)) == 429);
  CHECK(f.code(request(certificate({"DNS:a.example.org", "DNS:b.example.org"}), kKey)) == 200);
  CHECK(f.key(kKey).names == 2);
}

TEST_CASE("what is known of each address, all or the one asked for") {
  AccountsFixture f{Config{}};
  REQUIRE(f.add("a.example.org", kKey) == 200);
  f.observe("a.example.org", 443, Starttls::none,
            f.seen({f.address("192.0.2.1", ScanState::ok, "leaf"),
                    f.address("192.0.2.2", ScanState::timeout, "")}));
  const auto ask = [&](std::optional<IpAddress> ip) {
    GetExpiration request{Domain::parse("a.example.org").value(), ApiKey::parse(kKey).value(), ip};
    request.each_address = true;
    const auto read = f.ask(Request(request));
    REQUIRE(read.reply.has_value());
    CHECK(read.basis.has_value());
    return std::get<ExpirationReport>(*read.reply);
  };
  const auto both = ask({});
  REQUIRE(both.results.size() == 2);
  CHECK(both.results[0].ip.to_string() == "192.0.2.1");
  CHECK(both.results[0].certificate_found);
  CHECK(both.results[0].certificate_sha256 == pki::sha256("leaf"));
  CHECK(both.results[0].renewal_utc == ServiceFixture::kStart + 80 * kDay);
  CHECK_FALSE(both.results[0].renewal_due);
  CHECK_FALSE(both.results[1].certificate_found);
  CHECK_FALSE(both.results[1].certificate_sha256.has_value());
  CHECK(both.results[1].last_scan_utc == f.time);

  const auto one = ask(IpAddress::parse("192.0.2.1"));
  CHECK(one.results.size() == 1);
  CHECK(one.certificate_found);
  const auto none = ask(IpAddress::parse("192.0.2.9"));
  CHECK(none.results.empty());
  CHECK_FALSE(none.certificate_found);
  CHECK_FALSE(none.expired_found);
  f.time += 81 * kDay;
  CHECK(ask({}).results[0].expired);
  // The plain question has no results, whatever was asked before.
  CHECK(f.expiration("a.example.org", kKey).results.empty());
  CHECK(std::get<ExpirationReport>(*f.ask("command expiration domain a.example.org apikey " + kKey))
            .results.empty());
}
