// Parses a certificate and extracts, once, what path search and path checks need again and again. A
// fact that cannot be read stays unset; the checks decide what that means. Next: path_search.cpp.

#include "pki/certificate.hpp"

#include <openssl/core_names.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "pki/asn1_values.hpp"
#include "pki/digest.hpp"

namespace certline::pki {

namespace {

std::string curve_name(EVP_PKEY* key) {
  char group[64] = {};
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(key, group, sizeof group, &size) != 1) return "EC";
  const int nid = OBJ_txt2nid(group);
  const char* nist = nid == NID_undef ? nullptr : EC_curve_nid2nist(nid);
  return nist != nullptr ? nist : group;
}

bool same_octets(const ASN1_STRING* a, const ASN1_STRING* b) {
  return ASN1_STRING_cmp(a, b) == 0;
}

// The limits of BoringSSL; a long exponent would also make each signature cost milliseconds.
bool has_odd_exponent(EVP_PKEY* key) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &number) != 1) return true;
  const BigNumberHandle exponent(number);
  constexpr int kMostBits = 33;
  return BN_is_odd(number) == 0 || BN_is_one(number) != 0 || BN_num_bits(number) > kMostBits;
}

bool repeats_an_extension(const X509* x) {
  std::vector<std::string_view> kinds;
  for (int i = 0; i < X509_get_ext_count(x); ++i) {
    const ASN1_OBJECT* kind = X509_EXTENSION_get_object(X509_get_ext(x, i));
    kinds.emplace_back(reinterpret_cast<const char*>(OBJ_get0_data(kind)), OBJ_length(kind));
  }
  std::sort(kinds.begin(), kinds.end());
  return std::adjacent_find(kinds.begin(), kinds.end()) != kinds.end();
}

std::optional<UtcTime> certificate_time(const ASN1_TIME* time) {
  if (!has_certificate_form(time)) return std::nullopt;
  const Result<UtcTime> read = unix_time(time);
  return read ? std::optional<UtcTime>(*read) : std::nullopt;
}

std::string short_text(const X509_NAME* name) {
  constexpr std::size_t kMost = 50;
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at >= 0) {
    const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    const auto* data = reinterpret_cast<const char*>(ASN1_STRING_get0_data(value));
    return quoted({data, static_cast<std::size_t>(ASN1_STRING_length(value))}, kMost);
  }
  const Result<std::string> text = name_text(name);
  return quoted(text ? *text : std::string("?"), kMost);
}

}  // namespace

Result<PublicKey> public_key(const X509* certificate) {
  EVP_PKEY* key = X509_get0_pubkey(certificate);
  if (key == nullptr) {
    return Error{ErrorKind::invalid_value, "public key: " + drain_openssl_errors()};
  }
  PublicKey out;
  out.bits = EVP_PKEY_get_bits(key);
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) {
    out.type = curve_name(key);
    int decoded_explicit = 0;
    EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &decoded_explicit);
    out.explicit_curve = decoded_explicit != 0;
  } else {
    const char* name = EVP_PKEY_get0_type_name(key);
    out.type = name != nullptr ? name : "unknown";
    out.odd_exponent = out.type == "RSA" && has_odd_exponent(key);
  }
  drain_openssl_errors();
  return out;
}

CertificatePtr Certificate::parse(std::span<const std::uint8_t> der) {
  if (der.size() > kCertificateBytes) return nullptr;
  return parse(der, certline::pki::sha256(der));
}

CertificatePtr Certificate::parse(std::span<const std::uint8_t> der, const Sha256& sha256) {
  if (der.empty() || der.size() > kCertificateBytes) return nullptr;
  const unsigned char* at = der.data();
  CertificateHandle x509(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (!x509 || at != der.data() + der.size()) {
    drain_openssl_errors();
    return nullptr;
  }
  return from(std::move(x509), sha256);
}

CertificatePtr Certificate::from(CertificateHandle x509, const Sha256& sha256) {
  auto out = std::make_shared<Certificate>();
  X509* const x = x509.get();
  out->sha256 = sha256;
  X509_check_purpose(x, -1, 0);  // caches the extensions, as later readers may be many threads
  out->subject_hash = X509_subject_name_hash(x);
  out->issuer_hash = X509_issuer_name_hash(x);
  out->not_before = certificate_time(X509_get0_notBefore(x));
  out->not_after = certificate_time(X509_get0_notAfter(x));
  out->looks_self_signed = (X509_get_extension_flags(x) & EXFLAG_SS) != 0;
  if (Result<PublicKey> key = public_key(x)) out->key = std::move(*key);
  int key_nid = 0, security_bits = 0;
  std::uint32_t flags = 0;
  if (X509_get_signature_info(x, &out->digest_nid, &key_nid, &security_bits, &flags) != 1) {
    out->digest_nid = NID_undef;
  }
  out->repeats_extension = repeats_an_extension(x);
  out->names.reset(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(x, NID_subject_alt_name, nullptr, nullptr)));
  out->constraints.reset(
      static_cast<NAME_CONSTRAINTS*>(X509_get_ext_d2i(x, NID_name_constraints, nullptr, nullptr)));
  drain_openssl_errors();
  out->x509 = std::move(x509);
  return out;
}

bool Certificate::names_as_issuer(const Certificate& other) const {
  return issuer_hash == other.subject_hash &&
         X509_NAME_cmp(X509_get_issuer_name(x509.get()), X509_get_subject_name(other.x509.get())) ==
             0;
}

bool Certificate::same_name_and_key(const Certificate& other) const {
  return subject_hash == other.subject_hash &&
         same_octets(X509_get0_pubkey_bitstr(x509.get()),
                     X509_get0_pubkey_bitstr(other.x509.get())) &&
         X509_NAME_cmp(X509_get_subject_name(x509.get()),
                       X509_get_subject_name(other.x509.get())) == 0;
}

bool Certificate::signed_by(const Certificate& issuer) const {
  EVP_PKEY* issuer_key = X509_get0_pubkey(issuer.x509.get());
  const bool good = issuer_key != nullptr && X509_verify(x509.get(), issuer_key) == 1;
  drain_openssl_errors();
  return good;
}

bool Certificate::names_half_an_issuer() const {
  return (X509_get0_authority_issuer(x509.get()) == nullptr) !=
         (X509_get0_authority_serial(x509.get()) == nullptr);
}

std::string Certificate::short_name() const {
  return short_text(X509_get_subject_name(x509.get()));
}

std::string Certificate::short_issuer() const {
  return short_text(X509_get_issuer_name(x509.get()));
}

KeyIdMatch key_id_match(const Certificate& child, const Certificate& issuer) {
  const ASN1_OCTET_STRING* wanted = X509_get0_authority_key_id(child.x509.get());
  const ASN1_OCTET_STRING* given = X509_get0_subject_key_id(issuer.x509.get());
  if (wanted == nullptr || given == nullptr) return KeyIdMatch::unknown;
  return same_octets(wanted, given) ? KeyIdMatch::match : KeyIdMatch::mismatch;
}

}  // namespace certline::pki
