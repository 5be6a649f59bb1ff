// One test for each state of a chain, with the smallest chain that shows it.

#include <algorithm>

#include "make_certificate.hpp"

namespace certline::pki {
namespace {

using namespace test;

TEST_CASE("a chain of leaf, intermediate and root is ok") {
  const Made root = make_root("Root"), ca = make_intermediate("CA", root), leaf = make_leaf(ca);
  const Verdict verdict = judge({&root}, {&leaf, &ca});
  CHECK(verdict.state == ScanState::ok);
  CHECK(verdict.trusted);
  CHECK(verdict.detail.empty());
  CHECK(verdict.not_before == kNow - 30 * kDay);
  CHECK(verdict.not_after == kNow + 60 * kDay);
  CHECK_FALSE(verdict.completed_from_pool);
  REQUIRE(verdict.proven_intermediates.size() == 1);
  CHECK(verdict.proven_intermediates[0].sha256 == ca.observed().sha256);
  CHECK(verdict.proven_intermediates[0].der == ca.observed().der);
}

TEST_CASE("sent in any order, with the root, doubled, with strangers: ok") {
  const Made root = make_root("Root"), one = make_intermediate("One", root),
             two = make_intermediate("Two", one), leaf = make_leaf(two),
             stranger = make_root("Stranger");
  CHECK(judge({&root}, {&leaf, &root, &one, &stranger, &two, &one}).state == ScanState::ok);
}

TEST_CASE("dates: the last second counts, the one after it does not") {
  const Made root = make_root("Root");
  const Made leaf = make_leaf(root, {.from = kNow - kDay, .to = kNow});
  CHECK(judge({&root}, {&leaf}, kNow).state == ScanState::ok);
  const Verdict expired = judge({&root}, {&leaf}, kNow + 1);
  CHECK(expired.state == ScanState::expired);
  CHECK_FALSE(expired.trusted);
  CHECK(expired.detail == "certificate \"leaf\" expired at 2027-01-15T08:00:00Z");
  CHECK(judge({&root}, {&leaf}, kNow - kDay).state == ScanState::ok);
  CHECK(judge({&root}, {&leaf}, kNow - kDay - 1).state == ScanState::not_yet_valid);
}

TEST_CASE("dates beyond 2050 and before 1970") {
  const Made root = make_root("Root");
  const Made leaf = make_leaf(root, {.from = -86'400, .to = 253'402'300'799});
  const Verdict verdict = judge({&root}, {&leaf}, 4'102'444'800);
  CHECK(verdict.state == ScanState::ok);
  CHECK(verdict.not_before == -86'400);
  CHECK(verdict.not_after == 253'402'300'799);
}

TEST_CASE("an expired intermediate on every path is expired, and the detail names it") {
  const Made root = make_root("Root");
  const Made ca = make_intermediate("Old CA", root, {.to = kNow - 1});
  const Made leaf = make_leaf(ca);
  const Verdict verdict = judge({&root}, {&leaf, &ca});
  CHECK(verdict.state == ScanState::expired);
  CHECK(verdict.detail.find("intermediate \"Old CA\" expired") != std::string::npos);
}

TEST_CASE("a root's own dates and constraints do not count") {
  const Made root = make_root(
      "Root", {.to = kNow - 1,
               .extensions = {{NID_name_constraints, "critical,permitted;DNS:example.net"},
                              {NID_ext_key_usage, "emailProtection"}}});
  const Made leaf = make_leaf(root);
  CHECK(judge({&root}, {&leaf}).state == ScanState::ok);
}

TEST_CASE("self-signed: not trusted, unless it is itself in the store") {
  const Made own = make({.names = {"DNS:www.example.org"}});
  const Made root = make_root("Root");
  CHECK(judge({&root}, {&own}).state == ScanState::self_signed);
  CHECK(judge({&own}, {&own}).state == ScanState::ok);
  CHECK(judge({&own}, {&own}, kNow + 61 * kDay).state == ScanState::expired);
}

TEST_CASE("authority: unknown root, unknown issuer of an intermediate, nothing sent") {
  const Made root = make_root("Root"), other = make_root("Other");
  const Made ca = make_intermediate("CA", other), leaf = make_leaf(ca);
  CHECK(judge({&root}, {&leaf, &ca, &other}).state == ScanState::untrusted_root);
  CHECK(judge({&root}, {&leaf, &ca}).state == ScanState::untrusted_root);
  CHECK(judge({&root}, {&leaf}).state == ScanState::incomplete_chain);
}

TEST_CASE("a namesake of a root with another key vouches for nothing") {
  const Made root = make_root("Root"), namesake = make_root("Root");
  const Made leaf = make_leaf(namesake), bare = make_leaf(namesake, {.key_ids = false});
  CHECK_FALSE(judge({&root}, {&leaf, &namesake}).trusted);
  CHECK_FALSE(judge({&root}, {&bare, &namesake}).trusted);
  CHECK_FALSE(judge({&root}, {&bare}).trusted);
}

TEST_CASE("the name counts in subjectAltName only") {
  const Made root = make_root("Root");
  const auto state = [&](const Made& leaf, const std::string& host) {
    const auto chain = chain_of({&leaf});
    return judge(store_of({&root}), input_of(chain, kNow, host)).state;
  };
  const Made by_common_name = make({.subject = "www.example.org"}, &root);
  CHECK(state(by_common_name, "www.example.org") == ScanState::wrong_host);
  const Made both = make({.subject = "other.example.org", .names = {"DNS:www.example.org"}}, &root);
  CHECK(state(both, "www.example.org") == ScanState::ok);
  CHECK(state(both, "other.example.org") == ScanState::wrong_host);
  CHECK(state(both, "WWW.example.ORG") == ScanState::ok);
  CHECK(state(both, ".example.org") == ScanState::wrong_host);
  CHECK(state(both, "") == ScanState::wrong_host);
  const Made wildcard = make({.names = {"DNS:*.example.org", "DNS:w*.example.net"}}, &root);
  CHECK(state(wildcard, "www.example.org") == ScanState::ok);
  CHECK(state(wildcard, "a.www.example.org") == ScanState::wrong_host);
  CHECK(state(wildcard, "example.org") == ScanState::wrong_host);
  CHECK(state(wildcard, "www.example.net") == ScanState::wrong_host);
}

TEST_CASE("an address needs an address in the certificate") {
  const Made root = make_root("Root");
  const Made leaf =
      make({.subject = "192.0.2.7", .names = {"DNS:192.0.2.1", "IP:192.0.2.2", "IP:2001:db8::1"}},
           &root);
  const auto chain = chain_of({&leaf});
  const auto state = [&](IpAddress ip) {
    ChainInput input = input_of(chain, kNow, "");
    input.ip = ip;
    return judge(store_of({&root}), input).state;
  };
  CHECK(state(IpAddress::v4(0xc0000202)) == ScanState::ok);
  CHECK(state(IpAddress::v4(0xc0000201)) == ScanState::wrong_host);
  CHECK(state(IpAddress::v4(0xc0000207)) == ScanState::wrong_host);
  IpAddress v6{{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
  CHECK(state(v6) == ScanState::ok);
  v6.bytes[15] = 2;
  CHECK(state(v6) == ScanState::wrong_host);
}

TEST_CASE("weak keys and signatures are told apart") {
  const Made root = make_root("Root");
  const Made small = make_leaf(root, {.key = rsa_key(1024)});
  CHECK(judge({&root}, {&small}).state == ScanState::weak_key);
  const Made enough = make_leaf(root, {.key = rsa_key(2048)});
  CHECK(judge({&root}, {&enough}).state == ScanState::ok);
  const Made small_ca = make_intermediate("Small", root, {.key = rsa_key(1024)});
  const Made below = make_leaf(small_ca);
  CHECK(judge({&root}, {&below, &small_ca}).state == ScanState::weak_key);
  const Made sha1 = make_leaf(root, {.digest = EVP_sha1()});
  CHECK(judge({&root}, {&sha1}).state == ScanState::weak_signature);
  const Made rsa_root = make_root("RSA root", {.key = rsa_key(2048)});
  const Made md5 = make_leaf(rsa_root, {.digest = EVP_md5()});
  CHECK(judge({&rsa_root}, {&md5}).state == ScanState::weak_signature);
  const Made old_ca = make_intermediate("Old", root, {.digest = EVP_sha1()});
  const Made under_old = make_leaf(old_ca);
  const Verdict verdict = judge({&root}, {&under_old, &old_ca});
  CHECK(verdict.state == ScanState::weak_signature);
  CHECK(verdict.detail == "intermediate \"Old\" is signed with SHA1");
  const Made old_root = make_root("Old root", {.digest = EVP_sha1()});
  const Made under_root = make_leaf(old_root);
  CHECK(judge({&old_root}, {&under_root}).state == ScanState::ok);
}

TEST_CASE("what browsers refuse outright") {
  const Made root = make_root("Root");
  const auto state = [&](const Spec& spec) {
    const Made leaf = make_leaf(root, spec);
    const Verdict verdict = judge({&root}, {&leaf});
    INFO(verdict.detail);
    CHECK(verdict.trusted == (verdict.state == ScanState::ok));
    return verdict.state;
  };
  CHECK(state({.serial = -5}) == ScanState::bad_certificate);
  CHECK(state({.extensions = {{NID_ext_key_usage, "clientAuth"}}}) == ScanState::bad_certificate);
  CHECK(state({.extensions = {{NID_ext_key_usage, "msSGC"}}}) == ScanState::bad_certificate);
  CHECK(state({.extensions = {{NID_ext_key_usage, "serverAuth,clientAuth"}}}) == ScanState::ok);
  CHECK(state({.extensions = {{NID_ext_key_usage, "anyExtendedKeyUsage"}}}) == ScanState::ok);
  CHECK(state({.extensions = {{NID_key_usage, "nonRepudiation"}}}) == ScanState::bad_certificate);
  CHECK(state({.extensions = {{NID_hold_instruction_code, "critical,DER:0500"}}}) ==
        ScanState::bad_certificate);
  CHECK(state({.key = shared(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"))}) ==
        ScanState::bad_certificate);
  CHECK(state({.key = curve_key("secp256k1")}) == ScanState::bad_certificate);
  CHECK(state({.key = curve_key("P-384")}) == ScanState::ok);
  CHECK(state({.ca = true}) == ScanState::ok);  // a CA as leaf
}

TEST_CASE("an intermediate must be a CA, may sign, and within its path length") {
  const Made root = make_root("Root");
  const Made no_ca = make({.subject = "No CA"}, &root), below = make_leaf(no_ca);
  CHECK(judge({&root}, {&below, &no_ca}).state == ScanState::bad_certificate);
  const Made last = make_intermediate("Last", root, {.path_length = 0});
  const Made beyond = make_intermediate("Beyond", last), leaf = make_leaf(beyond);
  CHECK(judge({&root}, {&leaf, &beyond, &last}).state == ScanState::bad_certificate);
  const Made direct = make_leaf(last);
  CHECK(judge({&root}, {&direct, &last}).state == ScanState::ok);
  const Made mail =
      make_intermediate("Mail", root, {.extensions = {{NID_ext_key_usage, "emailProtection"}}});
  const Made under_mail = make_leaf(mail);
  CHECK(judge({&root}, {&under_mail, &mail}).state == ScanState::bad_certificate);
}

TEST_CASE("name constraints of an intermediate bind names and wildcards") {
  const Made root = make_root("Root");
  const auto state = [&](const char* constraints, std::vector<std::string> names) {
    const Made ca = make_intermediate(
        "CA", root,
        {.extensions = {{NID_name_constraints, std::string("critical,") + constraints}}});
    const Made leaf = make_leaf(ca, {.subject = "not.a.name", .names = std::move(names)});
    return judge({&root}, {&leaf, &ca}).state;
  };
  CHECK(state("permitted;DNS:example.org", {"DNS:www.example.org"}) == ScanState::ok);
  CHECK(state("permitted;DNS:example.net", {"DNS:www.example.org"}) == ScanState::bad_certificate);
  CHECK(state("excluded;DNS:www.example.org", {"DNS:www.example.org"}) ==
        ScanState::bad_certificate);
  CHECK(state("excluded;DNS:mail.example.org", {"DNS:www.example.org"}) == ScanState::ok);
  CHECK(state("excluded;DNS:mail.example.org", {"DNS:*.example.org"}) ==
        ScanState::bad_certificate);
  CHECK(state("excluded;DNS:a.mail.example.org", {"DNS:*.example.org"}) == ScanState::ok);
  CHECK(state("excluded;DNS:MAIL.example.net", {"DNS:*.example.org"}) == ScanState::ok);
}

TEST_CASE("the gravest problem is the state, the detail names all") {
  const Made root = make_root("Root");
  const Made leaf =
      make_leaf(root, {.names = {"DNS:other.example.org"}, .to = kNow - 1, .digest = EVP_sha1()});
  const Verdict verdict = judge({&root}, {&leaf});
  CHECK(verdict.state == ScanState::wrong_host);
  CHECK(verdict.detail ==
        "the certificate does not cover \"www.example.org\"; certificate \"leaf\" is signed with "
        "SHA1; certificate \"leaf\" expired at 2027-01-15T07:59:59Z");
}

TEST_CASE("hostile names stay printable and the detail short") {
  const Made root = make_root("Root", {.key = rsa_key(2048)});
  const Made leaf = make_leaf(
      root,
      {.subject = "a\r\nb\x1b[2J" + std::string(40, 'x'), .to = kNow - 1, .digest = EVP_md5()});
  const Verdict verdict = judge({&root}, {&leaf});
  CHECK(verdict.detail.size() <= 200);
  CHECK(std::all_of(verdict.detail.begin(), verdict.detail.end(),
                    [](char c) { return c >= 0x20 && c <= 0x7e; }));
}

TEST_CASE("no certificate, junk, trailing bytes: never trusted") {
  const Made root = make_root("Root"), leaf = make_leaf(root);
  const auto trust = store_of({&root});
  CHECK(judge(trust, input_of({})).state == ScanState::bad_certificate);
  std::vector<ObservedCertificate> chain = chain_of({&leaf});
  chain[0].der.push_back(0);
  CHECK(judge(trust, input_of(chain)).state == ScanState::bad_certificate);
  chain[0].der = {0x30, 0x82};
  CHECK(judge(trust, input_of(chain)).detail == "the certificate cannot be parsed");
  chain[0].der.assign(2 * 1024 * 1024, 0x30);
  CHECK(judge(trust, input_of(chain)).state == ScanState::bad_certificate);
  chain = chain_of({&leaf, &root});
  chain[1].der.resize(20);
  CHECK(judge(trust, input_of(chain)).state == ScanState::ok);
}

TEST_CASE("every flipped byte of a leaf: never trusted, or the same bytes") {
  const Made root = make_root("Root"), leaf = make_leaf(root);
  const auto verifier = Verifier::create(store_of({&root}), IntermediatePool::create());
  const auto good = chain_of({&leaf});
  for (std::size_t i = 0; i < good[0].der.size(); ++i) {
    auto chain = good;
    chain[0].der[i] ^= 0x01;
    INFO("byte " << i);
    REQUIRE_FALSE(verifier->judge(input_of(chain)).trusted);
  }
  CHECK(verifier->judge(input_of(good)).trusted);
}

}  // namespace
}  // namespace certline::pki
