#pragma once
// Makes certificates, trust stores and OCSP responses for tests, from a description.

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pki/digest.hpp"
#include "pki/openssl_handles.hpp"
#include "pki/verdict.hpp"

#include <openssl/ocsp.h>
#include <openssl/pem.h>

namespace certline::pki::test {

inline constexpr UtcTime kNow = 1'800'000'000;  // 2027-01-15T08:00:00Z
inline constexpr UtcTime kDay = 86'400;

using SharedKey = std::shared_ptr<EVP_PKEY>;

inline SharedKey shared(EVP_PKEY* key) {
  REQUIRE(key != nullptr);
  return {key, EVP_PKEY_free};
}
inline SharedKey curve_key(const char* curve = "P-256") {
  return shared(EVP_EC_gen(curve));
}
inline SharedKey rsa_key(unsigned bits) {
  return shared(EVP_RSA_gen(bits));
}

struct Spec {
  std::string subject = "leaf";      // common name; empty: an empty name
  std::vector<std::string> names{};  // "DNS:example.org", "IP:192.0.2.1"
  UtcTime from = kNow - 30 * kDay, to = kNow + 60 * kDay;
  bool ca = false;
  int path_length = -1;
  std::vector<std::pair<int, std::string>> extensions{};  // as in openssl.cnf
  const EVP_MD* digest = EVP_sha256();
  long serial = 0;  // 0: the next one
  SharedKey key{};  // empty: a fresh P-256 key
  bool key_ids = true;
  std::vector<std::string> more_names{};  // further organisational units of the subject
};

struct Made {
  std::shared_ptr<X509> x;
  SharedKey key;

  ObservedCertificate observed() const {
    ObservedCertificate out;
    unsigned char* der = nullptr;
    const int size = i2d_X509(x.get(), &der);
    REQUIRE(size > 0);
    out.der.assign(der, der + size);
    OPENSSL_free(der);
    out.sha256 = sha256(out.der);
    return out;
  }
};

inline void add_extension(X509* x, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, x, nullptr, nullptr, 0);
  const ExtensionHandle extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  INFO("extension " << nid << " " << value);
  REQUIRE(extension);
  REQUIRE(X509_add_ext(x, extension.get(), -1) == 1);
}

// Signed by `issuer`, or by itself without one.
inline Made make(const Spec& spec, const Made* issuer = nullptr) {
  static long next_serial = 1000;
  Made out{{X509_new(), X509_free}, spec.key ? spec.key : curve_key()};
  X509* x = out.x.get();
  X509_set_version(x, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(x), spec.serial != 0 ? spec.serial : ++next_serial);
  if (!spec.subject.empty()) {
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(spec.subject.c_str()), -1, -1,
                               0);
  }
  for (const std::string& unit : spec.more_names) {
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "OU", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(unit.c_str()), -1, -1, 0);
  }
  X509_set_issuer_name(x, X509_get_subject_name(issuer != nullptr ? issuer->x.get() : x));
  ASN1_TIME_set(X509_getm_notBefore(x), spec.from);
  ASN1_TIME_set(X509_getm_notAfter(x), spec.to);
  X509_set_pubkey(x, out.key.get());
  X509* above = issuer != nullptr ? issuer->x.get() : x;
  if (spec.ca) {
    add_extension(x, above, NID_basic_constraints,
                  spec.path_length < 0
                      ? "critical,CA:TRUE"
                      : "critical,CA:TRUE,pathlen:" + std::to_string(spec.path_length));
    add_extension(x, above, NID_key_usage, "critical,keyCertSign,cRLSign");
  }
  if (spec.key_ids) {
    add_extension(x, above, NID_subject_key_identifier, "hash");
    if (issuer != nullptr && X509_get0_subject_key_id(above) != nullptr) {
      add_extension(x, above, NID_authority_key_identifier, "keyid");
    }
  }
  std::string names;
  for (const std::string& name : spec.names) names += (names.empty() ? "" : ",") + name;
  if (!names.empty()) add_extension(x, above, NID_subject_alt_name, names);
  for (const auto& [nid, value] : spec.extensions) add_extension(x, above, nid, value);
  EVP_PKEY* signer = issuer != nullptr ? issuer->key.get() : out.key.get();
  const bool no_digest = EVP_PKEY_get_base_id(signer) == EVP_PKEY_ED25519;
  REQUIRE(X509_sign(x, signer, no_digest ? nullptr : spec.digest) > 0);
  return out;
}

inline Made make_root(std::string name, Spec spec = {}) {
  spec.subject = std::move(name);
  spec.ca = true;
  return make(spec);
}

inline Made make_intermediate(std::string name, const Made& issuer, Spec spec = {}) {
  spec.subject = std::move(name);
  spec.ca = true;
  return make(spec, &issuer);
}

inline Made make_leaf(const Made& issuer, Spec spec = {}) {
  if (spec.names.empty()) spec.names = {"DNS:www.example.org"};
  return make(spec, &issuer);
}

// A directory that goes with its owner.
class Scratch {
 public:
  Scratch() {
    std::string pattern = (std::filesystem::temp_directory_path() / "certline-pki-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string pem_of(X509* x) {
  const BioHandle bio(BIO_new(BIO_s_mem()));
  REQUIRE(PEM_write_bio_X509(bio.get(), x) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

inline std::shared_ptr<const TrustStore> store_of_pem(const std::string& pem) {
  const Scratch scratch;
  const std::string file = (scratch.path() / "roots.pem").string();
  std::ofstream(file) << pem;
  const auto store = TrustStore::load(file);
  REQUIRE(store.has_value());
  return *store;
}

inline std::shared_ptr<const TrustStore> store_of(const std::vector<const Made*>& roots) {
  std::string pem;
  for (const Made* root : roots) pem += pem_of(root->x.get());
  return store_of_pem(pem);
}

inline std::vector<ObservedCertificate> chain_of(const std::vector<const Made*>& certificates) {
  std::vector<ObservedCertificate> out;
  for (const Made* certificate : certificates) out.push_back(certificate->observed());
  return out;
}

inline ChainInput input_of(const std::vector<ObservedCertificate>& chain, UtcTime now = kNow,
                           std::string host = "www.example.org") {
  ChainInput input;
  input.chain = chain;
  input.host = std::move(host);
  input.now = now;
  return input;
}

inline Verdict judge(const std::shared_ptr<const TrustStore>& trust, const ChainInput& input,
                     std::shared_ptr<IntermediatePool> pool = IntermediatePool::create()) {
  return Verifier::create(trust, std::move(pool))->judge(input);
}

// The verdict on these certificates for www.example.org.
inline Verdict judge(const std::vector<const Made*>& roots, const std::vector<const Made*>& sent,
                     UtcTime now = kNow) {
  const auto chain = chain_of(sent);
  return judge(store_of(roots), input_of(chain, now));
}

}  // namespace certline::pki::test
