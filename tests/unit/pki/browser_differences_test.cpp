// Where browsers and OpenSSL's own verification differ. Each row's chain goes to both. The row says
// what OpenSSL alone answers, so the test notices a row that no longer shows a difference.

#include <openssl/dsa.h>
#include <openssl/rsa.h>

#include <algorithm>

#include "make_certificate.hpp"

namespace certline::pki {
namespace {

using namespace test;

CertificateHandle reread(const Made& made) {
  const ObservedCertificate observed = made.observed();
  const unsigned char* at = observed.der.data();
  return CertificateHandle(d2i_X509(nullptr, &at, static_cast<long>(observed.der.size())));
}

// As `openssl verify -purpose sslserver -verify_hostname www.example.org` does it.
bool openssl_accepts(const std::vector<const Made*>& roots, const std::vector<const Made*>& sent) {
  const StoreHandle store(X509_STORE_new());
  for (const Made* root : roots) REQUIRE(X509_STORE_add_cert(store.get(), reread(*root).get()));
  const StackHandle untrusted(sk_X509_new_null());
  for (std::size_t i = 1; i < sent.size(); ++i) {
    REQUIRE(sk_X509_push(untrusted.get(), reread(*sent[i]).release()) > 0);
  }
  const CertificateHandle leaf = reread(*sent.front());
  const StoreContextHandle context(X509_STORE_CTX_new());
  REQUIRE(X509_STORE_CTX_init(context.get(), store.get(), leaf.get(), untrusted.get()) == 1);
  REQUIRE(X509_STORE_CTX_set_purpose(context.get(), X509_PURPOSE_SSL_SERVER) == 1);
  X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(rules, kNow);
  X509_VERIFY_PARAM_set1_host(rules, "www.example.org", 0);
  const bool accepted = X509_verify_cert(context.get()) == 1;
  drain_openssl_errors();
  return accepted;
}

// Signed anew after a change that no description of a certificate can express.
template <class Change>
Made changed(Made made, const Made& issuer, const Change& change) {
  made.x = {X509_dup(made.x.get()), X509_free};
  change(made.x.get());
  REQUIRE(X509_sign(made.x.get(), issuer.key.get(), EVP_sha256()) > 0);
  return made;
}

void set_serial(X509* x, const char* hex) {
  BIGNUM* number = nullptr;
  REQUIRE(BN_hex2bn(&number, hex) > 0);
  const BigNumberHandle owner(number);
  REQUIRE(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x)) != nullptr);
}

void mark_critical(X509* x, int nid) {
  X509_EXTENSION* extension = X509_get_ext(x, X509_get_ext_by_NID(x, nid, -1));
  REQUIRE(extension != nullptr);
  X509_EXTENSION_set_critical(extension, 1);
}

void repeat(X509* x, int nid) {
  const ExtensionHandle copy(X509_EXTENSION_dup(X509_get_ext(x, X509_get_ext_by_NID(x, nid, -1))));
  REQUIRE(X509_add_ext(x, copy.get(), -1) == 1);
}

SharedKey dsa_key() {
  using Context = std::unique_ptr<EVP_PKEY_CTX, OpensslDeleter<EVP_PKEY_CTX_free>>;
  const Context generation(EVP_PKEY_CTX_new_from_name(nullptr, "DSA", nullptr));
  EVP_PKEY *parameters = nullptr, *key = nullptr;
  REQUIRE(EVP_PKEY_paramgen_init(generation.get()) == 1);
  REQUIRE(EVP_PKEY_CTX_set_dsa_paramgen_bits(generation.get(), 2048) == 1);
  REQUIRE(EVP_PKEY_paramgen(generation.get(), &parameters) == 1);
  const KeyHandle owner(parameters);
  const Context context(EVP_PKEY_CTX_new_from_pkey(nullptr, parameters, nullptr));
  REQUIRE(EVP_PKEY_keygen_init(context.get()) == 1);
  REQUIRE(EVP_PKEY_keygen(context.get(), &key) == 1);
  return shared(key);
}

SharedKey rsa_key_with_exponent(const char* hex) {
  const std::unique_ptr<EVP_PKEY_CTX, OpensslDeleter<EVP_PKEY_CTX_free>> context(
      EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  BIGNUM* exponent = nullptr;
  REQUIRE(BN_hex2bn(&exponent, hex) > 0);
  const BigNumberHandle owner(exponent);
  EVP_PKEY* key = nullptr;
  REQUIRE(EVP_PKEY_keygen_init(context.get()) == 1);
  REQUIRE(EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), 2048) == 1);
  REQUIRE(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context.get(), exponent) == 1);
  REQUIRE(EVP_PKEY_keygen(context.get(), &key) == 1);
  return shared(key);
}

enum class Openssl { accepts, rejects };

void compare(const char* what, const std::vector<const Made*>& roots,
             const std::vector<const Made*>& sent, ScanState ours, Openssl alone) {
  const Verdict verdict = judge(roots, sent);
  INFO(what << ": " << scan_state_name(verdict.state) << ": " << verdict.detail);
  CHECK(verdict.state == ours);
  CHECK(verdict.trusted == (ours == ScanState::ok));
  CHECK(openssl_accepts(roots, sent) == (alone == Openssl::accepts));
}

TEST_CASE("a root is a name and a key: what else it says does not count") {
  const auto row = [](const char* what, const Made& root, Openssl alone) {
    const Made ca = make_intermediate("CA", root), leaf = make_leaf(ca);
    compare(what, {&root}, {&leaf, &ca}, ScanState::ok, alone);
  };
  using enum Openssl;
  row("expired", make_root("Root", {.to = kNow - 1}), rejects);
  row("not yet valid", make_root("Root", {.from = kNow + 1}), rejects);
  row("constrained to other names",
      make_root("Root",
                {.extensions = {{NID_name_constraints, "critical,permitted;DNS:example.net"}}}),
      rejects);
  row("for mail", make_root("Root", {.extensions = {{NID_ext_key_usage, "emailProtection"}}}),
      rejects);
  row("path length of none", make_root("Root", {.path_length = 0}), rejects);
  row("unknown critical extension",
      make_root("Root", {.extensions = {{NID_hold_instruction_code, "critical,DER:0500"}}}),
      rejects);
  row("without basicConstraints", make({.subject = "Root"}), rejects);
  row("keyUsage without keyCertSign",
      make({.subject = "Root",
            .extensions = {{NID_basic_constraints, "critical,CA:TRUE"},
                           {NID_key_usage, "critical,digitalSignature"}}}),
      rejects);
  row("without keyUsage",
      make({.subject = "Root", .extensions = {{NID_basic_constraints, "critical,CA:TRUE"}}}),
      accepts);
  row("no CA by its own account",
      make({.subject = "Root", .extensions = {{NID_basic_constraints, "critical,CA:FALSE"}}}),
      rejects);
  row("signed with SHA-1", make_root("Root", {.digest = EVP_sha1()}), accepts);
  row("signed with MD5", make_root("Root", {.digest = EVP_md5(), .key = rsa_key(2048)}), accepts);
  const Made plain = make_root("Root");
  const auto negative = [](X509* x) { set_serial(x, "-5"); };
  row("negative serial number", changed(plain, plain, negative), accepts);
}

TEST_CASE("key identifiers: missing, critical, malformed") {
  using enum Openssl;
  const Made root = make_root("Root");
  const Made bare_ca = make_intermediate("CA", root, {.key_ids = false});
  const Made bare = make_leaf(bare_ca, {.key_ids = false});
  compare("missing", {&root}, {&bare, &bare_ca}, ScanState::ok, accepts);
  for (const int nid : {NID_subject_key_identifier, NID_authority_key_identifier}) {
    const auto critical = [&](X509* x) { mark_critical(x, nid); };
    const Made ca = make_intermediate("CA", root), leaf = make_leaf(ca);
    const Made odd_ca = changed(make_intermediate("CA", root), root, critical);
    const Made below = make_leaf(odd_ca), odd_leaf = changed(leaf, ca, critical);
    compare("critical in the leaf", {&root}, {&odd_leaf, &ca}, ScanState::ok, rejects);
    compare("critical above", {&root}, {&below, &odd_ca}, ScanState::ok, rejects);
  }
  const Spec malformed{.extensions = {{NID_authority_key_identifier, "DER:04020102"}},
                       .key_ids = false};
  const Made leaf = make_leaf(root, malformed);
  compare("malformed", {&root}, {&leaf}, ScanState::bad_certificate, rejects);
  // authorityCertIssuer (a directory name) without authorityCertSerialNumber
  const char* half = "DER:3014A112A410300E310C300A06035504030C03412042";
  const Spec halved{.extensions = {{NID_authority_key_identifier, half}}, .key_ids = false};
  const Made half_leaf = make_leaf(root, halved);
  compare("half an issuer", {&root}, {&half_leaf}, ScanState::bad_certificate, rejects);
}

TEST_CASE("half an issuer in a root's key identifier: no anchor") {
  const char* half = "DER:3014A112A410300E310C300A06035504030C03412042";
  const Made odd =
      make_root("Odd", {.extensions = {{NID_authority_key_identifier, half}}, .key_ids = false});
  const Made root = make_root("Root"), leaf = make_leaf(odd, {.key_ids = false});
  CHECK(judge({&root, &odd}, {&leaf}).state == ScanState::incomplete_chain);
  CHECK(store_of({&root, &odd})->size() == 1);
}

TEST_CASE("usages and flags of a leaf") {
  using enum Openssl;
  const Made root = make_root("Root");
  const auto row = [&](const char* what, const Spec& spec, ScanState ours, Openssl alone) {
    const Made leaf = make_leaf(root, spec);
    compare(what, {&root}, {&leaf}, ours, alone);
  };
  row("a CA as leaf", {.ca = true}, ScanState::ok, rejects);
  row("keyCertSign without being a CA",
      {.extensions = {{NID_key_usage, "digitalSignature,keyCertSign"}}}, ScanState::ok, accepts);
  row("any extended usage", {.extensions = {{NID_ext_key_usage, "anyExtendedKeyUsage"}}},
      ScanState::ok, rejects);
  row("Netscape's server-gated crypto", {.extensions = {{NID_ext_key_usage, "nsSGC"}}},
      ScanState::bad_certificate, accepts);
  row("Microsoft's server-gated crypto", {.extensions = {{NID_ext_key_usage, "msSGC"}}},
      ScanState::bad_certificate, accepts);
  row("the last second", {.to = kNow}, ScanState::ok, rejects);
  row("the second after it", {.to = kNow - 1}, ScanState::expired, rejects);
  row("malformed authorityInfoAccess", {.extensions = {{NID_info_access, "DER:0500"}}},
      ScanState::bad_certificate, accepts);
  row("unknown critical extension",
      {.extensions = {{NID_hold_instruction_code, "critical,DER:0500"}}},
      ScanState::bad_certificate, rejects);
  row("unknown extension", {.extensions = {{NID_hold_instruction_code, "DER:0500"}}}, ScanState::ok,
      accepts);
}

TEST_CASE("what is wrong with an intermediate") {
  using enum Openssl;
  const Made root = make_root("Root");
  const auto row = [&](const char* what, const Spec& spec, ScanState ours, Openssl alone) {
    const Made ca = make_intermediate("CA", root, spec), leaf = make_leaf(ca);
    compare(what, {&root}, {&leaf, &ca}, ours, alone);
  };
  row("unknown critical extension",
      {.extensions = {{NID_hold_instruction_code, "critical,DER:0500"}}},
      ScanState::bad_certificate, rejects);
  row("malformed authorityInfoAccess", {.extensions = {{NID_info_access, "DER:0500"}}},
      ScanState::bad_certificate, accepts);
  row("empty name constraints", {.extensions = {{NID_name_constraints, "critical,DER:3000"}}},
      ScanState::bad_certificate, accepts);
  row("empty lists of name constraints",
      {.extensions = {{NID_name_constraints, "critical,DER:3004A000A100"}}},
      ScanState::bad_certificate, accepts);
  row("SHA-1", {.digest = EVP_sha1()}, ScanState::weak_signature, accepts);
  row("RSA 1024", {.key = rsa_key(1024)}, ScanState::weak_key, accepts);
  row("any extended usage", {.extensions = {{NID_ext_key_usage, "anyExtendedKeyUsage"}}},
      ScanState::ok, rejects);
  const Made rsa_root = make_root("Root", {.key = rsa_key(2048)});
  const Made md5_ca = make_intermediate("CA", rsa_root, {.digest = EVP_md5()});
  const Made leaf = make_leaf(md5_ca);
  compare("MD5", {&rsa_root}, {&leaf, &md5_ca}, ScanState::weak_signature, accepts);
}

TEST_CASE("keys that browsers refuse") {
  using enum Openssl;
  const Made root = make_root("Root");
  const auto row = [&](const char* what, const SharedKey& key, ScanState ours, Openssl alone) {
    const Made leaf = make_leaf(root, {.key = key});
    compare(what, {&root}, {&leaf}, ours, alone);
    const Made ca = make_intermediate("CA", root, {.key = key}), below = make_leaf(ca);
    compare(what, {&root}, {&below, &ca}, ours, alone);
  };
  row("DSA", dsa_key(), ScanState::bad_certificate, accepts);
  row("P-192", curve_key("P-192"), ScanState::weak_key, accepts);
  row("P-224", curve_key("P-224"), ScanState::bad_certificate, accepts);
  row("secp256k1", curve_key("secp256k1"), ScanState::bad_certificate, accepts);
  row("brainpoolP256r1", curve_key("brainpoolP256r1"), ScanState::bad_certificate, accepts);
  row("RSA 2047", rsa_key(2047), ScanState::weak_key, accepts);
  row("RSA with exponent 3", rsa_key_with_exponent("3"), ScanState::ok, accepts);
  row("RSA with an exponent of 33 bits", rsa_key_with_exponent("1FFFFFFFF"), ScanState::ok,
      accepts);
  row("RSA with an exponent of 34 bits", rsa_key_with_exponent("200000001"),
      ScanState::bad_certificate, accepts);
}

TEST_CASE("serial numbers: only negative ones are refused") {
  using enum Openssl;
  const Made root = make_root("Root");
  const std::pair<const char*, ScanState> rows[] = {
      {"-5", ScanState::bad_certificate},
      {"-7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", ScanState::bad_certificate},
      {"0", ScanState::ok},
      {"7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", ScanState::ok},          // 20 bytes
      {"FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", ScanState::ok},          // 21, one of them for +
      {"0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF", ScanState::ok},  // 24
  };
  for (const auto& [serial, ours] : rows) {
    const auto numbered = [text = serial](X509* x) { set_serial(x, text); };
    const Made leaf = changed(make_leaf(root), root, numbered);
    compare(serial, {&root}, {&leaf}, ours, accepts);
    const Made ca = changed(make_intermediate("CA", root), root, numbered), below = make_leaf(ca);
    compare(serial, {&root}, {&below, &ca}, ours, accepts);
  }
}

TEST_CASE("an extension twice") {
  const Made root = make_root("Root"), ca = make_intermediate("CA", root);
  const std::pair<int, Openssl> rows[] = {
      {NID_subject_alt_name, Openssl::rejects},
      {NID_subject_key_identifier, Openssl::rejects},
      {NID_authority_key_identifier, Openssl::rejects},
      {NID_ext_key_usage, Openssl::rejects},
      {NID_crl_distribution_points, Openssl::rejects},
      {NID_certificate_policies, Openssl::accepts},
      {NID_hold_instruction_code, Openssl::accepts},
  };
  for (const auto& [nid, alone] : rows) {
    const auto twice = [kind = nid](X509* x) { repeat(x, kind); };
    const Spec spec{.extensions = {{NID_ext_key_usage, "serverAuth"},
                                   {NID_crl_distribution_points, "URI:http://crl.example.org/"},
                                   {NID_certificate_policies, "DER:300A3008060667810C010201"},
                                   {NID_hold_instruction_code, "DER:0500"}}};
    const Made once = make_leaf(ca, spec), leaf = changed(make_leaf(ca, spec), ca, twice);
    CHECK(judge({&root}, {&once, &ca}).state == ScanState::ok);
    compare(OBJ_nid2sn(nid), {&root}, {&leaf, &ca}, ScanState::bad_certificate, alone);
  }
}

TEST_CASE("name constraints of an intermediate: names, wildcards, addresses") {
  using enum Openssl;
  const Made root = make_root("Root");
  const auto row = [&](const char* constraints, const std::vector<std::string>& names,
                       ScanState ours, Openssl alone) {
    const Spec spec{.extensions = {{NID_name_constraints, std::string("critical,") + constraints}}};
    const Made ca = make_intermediate("CA", root, spec);
    std::vector<std::string> all = {"DNS:www.example.org"};
    all.insert(all.end(), names.begin(), names.end());
    const Made leaf = make_leaf(ca, {.subject = "Leaf", .names = all});
    compare((constraints + (" " + all.back())).c_str(), {&root}, {&leaf, &ca}, ours, alone);
  };
  const ScanState ok = ScanState::ok, bad = ScanState::bad_certificate;
  row("permitted;DNS:example.org", {"DNS:*.example.org"}, ok, accepts);
  row("permitted;DNS:example.org", {"DNS:*.a.example.org"}, ok, accepts);
  row("permitted;DNS:example.org", {"DNS:example.org"}, ok, accepts);
  row("permitted;DNS:example.org", {"DNS:notexample.org"}, bad, rejects);
  row("permitted;DNS:example.org", {"DNS:*.org"}, bad, rejects);
  row("permitted;DNS:www.example.org", {"DNS:*.example.org"}, bad, rejects);
  row("permitted;DNS:EXAMPLE.org", {"DNS:Mail.Example.Org"}, ok, accepts);
  row("permitted;DNS:example.org,permitted;DNS:example.net", {"DNS:a.example.net"}, ok, accepts);
  row("permitted;DNS:example.org,excluded;DNS:b.example.org", {"DNS:b.example.org"}, bad, rejects);
  // A wildcard may come to stand for an excluded name: browsers look at that, OpenSSL does not.
  row("excluded;DNS:mail.example.org", {"DNS:*.example.org"}, bad, accepts);
  row("excluded;DNS:Mail.Example.ORG", {"DNS:*.example.org"}, bad, accepts);
  row("excluded;DNS:mail.example.org", {"DNS:*.EXAMPLE.org"}, bad, accepts);
  row("excluded;DNS:x.example.net,excluded;DNS:y.a.example.org", {"DNS:*.a.example.org"}, bad,
      accepts);
  row("excluded;DNS:a.b.example.org", {"DNS:*.example.org"}, ok, accepts);
  row("excluded;DNS:mail.example.net", {"DNS:*.example.org"}, ok, accepts);
  row("excluded;DNS:example.net", {"DNS:*.example.net"}, bad, rejects);
  row("excluded;DNS:example.net", {"DNS:a.b.example.net"}, bad, rejects);
  row("permitted;IP:192.0.2.0/255.255.255.0", {"IP:192.0.2.255"}, ok, accepts);
  row("permitted;IP:192.0.2.0/255.255.255.0", {"IP:192.0.3.0"}, bad, rejects);
  row("permitted;IP:192.0.2.0/255.255.255.0", {"IP:2001:db8::1"}, bad, rejects);
  row("excluded;IP:192.0.2.0/255.255.255.0", {"IP:192.0.2.0"}, bad, rejects);
  row("excluded;IP:192.0.2.0/255.255.255.0", {"IP:192.0.1.255"}, ok, accepts);
  row("excluded;IP:2001:db8::/ffff:ffff::", {"IP:2001:db8:ffff::1"}, bad, rejects);
  row("excluded;IP:2001:db8::/ffff:ffff::", {"IP:2001:db9::1"}, ok, accepts);
}

TEST_CASE("never the subject: a name, an address or a wildcard in it covers nothing") {
  const Made root = make_root("Root");
  for (const char* subject : {"www.example.org", "*.example.org"}) {
    const Made leaf = make({.subject = subject}, &root);
    compare(subject, {&root}, {&leaf}, ScanState::wrong_host, Openssl::accepts);
  }
  const Made other_kind = make({.subject = "www.example.org", .names = {"IP:192.0.2.1"}}, &root);
  compare("only an address", {&root}, {&other_kind}, ScanState::wrong_host, Openssl::accepts);
  const Made by_mail =
      make({.subject = "www.example.org", .names = {"email:a@example.org"}}, &root);
  compare("only an e-mail address", {&root}, {&by_mail}, ScanState::wrong_host, Openssl::accepts);
}

}  // namespace
}  // namespace certline::pki
