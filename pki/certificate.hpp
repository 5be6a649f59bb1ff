#pragma once
// A certificate, parsed once and shared by every path that goes through it. It does not change
// after parse(). OpenSSL's cached extensions are filled by then, so threads may read it at the same
// time.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "pki/openssl_handles.hpp"
#include "protocol/values.hpp"

namespace certline::pki {

inline constexpr std::size_t kCertificateBytes = 1024 * 1024;  // a larger one is not looked at

struct PublicKey {
  std::string type;  // "RSA", "P-256", "secp256k1", "ED25519", "DSA"
  int bits = 0;
  bool explicit_curve = false;  // curve given by parameters instead of by name
  bool odd_exponent = false;    // RSA: none that browsers take (even, 1, longer than 33 bits)
};

// Errors (invalid_value): no key in it that this library can read.
Result<PublicKey> public_key(const X509* certificate);

struct Certificate;
using CertificatePtr = std::shared_ptr<const Certificate>;

struct Certificate {
  CertificateHandle x509;
  Sha256 sha256{};
  unsigned long subject_hash = 0, issuer_hash = 0;  // of the canonical names (RFC 5280 7.1)
  std::optional<UtcTime> not_before, not_after;  // unset where unreadable or not in RFC 5280 form
  bool looks_self_signed = false;                // own name as issuer, and nothing says otherwise
  std::optional<PublicKey> key;
  int digest_nid = 0;                 // of the signature; NID_undef where the algorithm has none
  bool repeats_extension = false;     // RFC 5280 4.2: each at most once
  GeneralNamesHandle names;           // subjectAltName; null where absent or malformed
  NameConstraintsHandle constraints;  // null where absent or malformed

  // Null for more than kCertificateBytes, for anything that is no certificate, for trailing bytes.
  static CertificatePtr parse(std::span<const std::uint8_t> der);
  static CertificatePtr parse(std::span<const std::uint8_t> der, const Sha256& sha256);
  static CertificatePtr from(CertificateHandle parsed, const Sha256& sha256);

  bool names_as_issuer(const Certificate& other) const;  // canonical comparison
  bool same_name_and_key(const Certificate& other) const;
  bool signed_by(const Certificate& issuer) const;  // verifies the signature: costs
  // An authorityKeyIdentifier with an issuer but no serial number, or the other way round.
  bool names_half_an_issuer() const;
  // For people: at most 60 bytes, quoted. The common name, else the whole.
  std::string short_name() const;
  std::string short_issuer() const;
};

// How well what `child` says about its issuer's key fits `issuer`.
enum class KeyIdMatch { match, unknown, mismatch };
KeyIdMatch key_id_match(const Certificate& child, const Certificate& issuer);

}  // namespace certline::pki
