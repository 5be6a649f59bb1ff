// Reads a certificate field by field. If OpenSSL cannot parse the bytes at all, there is still a
// summary: it has the digest under which they are stored, and the reason in every other field.

#include "pki/certificate_summary.hpp"

#include <algorithm>

#include "pki/asn1_values.hpp"
#include "pki/certificate.hpp"
#include "pki/digest.hpp"
#include "pki/openssl_handles.hpp"

namespace certline::pki {

namespace {

constexpr std::size_t kDnsNameBytes = 512;

Error unreadable(std::string detail) {
  return Error{ErrorKind::invalid_value, std::move(detail)};
}

CertificateSummary all_unreadable(const Sha256& sha256, const Error& why) {
  return {sha256, why, why, why, why, why, why, why, why, why, why};
}

std::string_view bytes_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

bool add_address(const ASN1_OCTET_STRING* octets, std::vector<IpAddress>& to) {
  const std::string_view bytes = bytes_of(octets);
  if (bytes.size() != 4 && bytes.size() != 16) return false;
  IpAddress address;
  if (bytes.size() == 4) address.bytes[10] = address.bytes[11] = 0xff;
  std::copy(bytes.begin(), bytes.end(), address.bytes.end() - static_cast<long>(bytes.size()));
  to.push_back(address);
  return true;
}

// Where the extension is absent: an empty value. Where it is there and not readable, or there
// twice: an error.
Result<AlternativeNames> alternative_names(const X509* x) {
  int critical = 0;
  const GeneralNamesHandle names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(x, NID_subject_alt_name, &critical, nullptr)));
  drain_openssl_errors();
  if (!names) {
    if (critical == -1) return AlternativeNames{};
    return unreadable(critical == -2 ? "subjectAltName given twice" : "subjectAltName unreadable");
  }
  AlternativeNames out;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) {
      out.dns.push_back(printable(bytes_of(name->d.dNSName), kDnsNameBytes));
    } else if (name->type != GEN_IPADD || !add_address(name->d.iPAddress, out.ip)) {
      ++out.others;
    }
  }
  return out;
}

Result<std::string> signature_algorithm(const X509* x) {
  const X509_ALGOR* algorithm = X509_get0_tbs_sigalg(x);
  const ASN1_OBJECT* object = nullptr;
  X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
  char text[128];
  const int size = OBJ_obj2txt(text, sizeof text, object, 0);
  drain_openssl_errors();
  if (size <= 0 || size >= static_cast<int>(sizeof text)) {
    return unreadable("signature algorithm unreadable");
  }
  return printable(text, sizeof text);
}

Result<bool> is_ca(const X509* x) {
  int critical = 0;
  const BasicConstraintsHandle constraints(static_cast<BASIC_CONSTRAINTS*>(
      X509_get_ext_d2i(x, NID_basic_constraints, &critical, nullptr)));
  drain_openssl_errors();
  if (constraints) return constraints->ca != 0;
  if (critical == -1) return false;
  return unreadable(critical == -2 ? "basicConstraints given twice"
                                   : "basicConstraints unreadable");
}

Result<KeySummary> key_of(const X509* x) {
  Result<PublicKey> key = public_key(x);
  if (!key) return key.error();
  return KeySummary{printable(key->type, 64), key->bits};
}

}  // namespace

CertificateSummary summarize(std::span<const std::uint8_t> der) {
  const Sha256 digest = sha256(der);
  if (der.size() > kCertificateBytes) {
    return all_unreadable(digest, unreadable("larger than 1 MiB"));
  }
  const unsigned char* at = der.data();
  const CertificateHandle handle(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (!handle) {
    return all_unreadable(digest, unreadable("not a certificate: " + drain_openssl_errors()));
  }
  if (at != der.data() + der.size()) {
    return all_unreadable(digest, unreadable("bytes after the certificate"));
  }
  const X509* x = handle.get();
  CertificateSummary out{digest,
                         name_text(X509_get_subject_name(x)),
                         name_text(X509_get_issuer_name(x)),
                         serial_text(X509_get0_serialNumber(x)),
                         unix_time(X509_get0_notBefore(x)),
                         unix_time(X509_get0_notAfter(x)),
                         alternative_names(x),
                         key_of(x),
                         signature_algorithm(x),
                         is_ca(x),
                         X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) == 0};
  drain_openssl_errors();
  return out;
}

}  // namespace certline::pki
