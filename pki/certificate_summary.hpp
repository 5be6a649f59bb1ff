#pragma once
// What people and replies want to know of a certificate. Odd certificates are common, so each field
// has its own result: one unreadable field does not hide the others.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "protocol/error.hpp"
#include "protocol/ip_address.hpp"
#include "protocol/values.hpp"

namespace certline::pki {

struct AlternativeNames {        // RFC 5280 4.2.1.6; empty where the extension is absent
  std::vector<std::string> dns;  // as written, printable
  std::vector<IpAddress> ip;
  std::size_t others = 0;  // names of other kinds, and addresses of neither 4 nor 16 bytes
};

struct KeySummary {
  std::string type;  // "RSA", "P-256", "ED25519"
  int bits = 0;
};

// Errors of a field: invalid_value with the reason. All text is printable ASCII.
struct CertificateSummary {
  Sha256 sha256{};
  Result<std::string> subject, issuer;    // RFC 4514, at most 1,024 bytes
  Result<std::string> serial;             // lower-case hex, "-" in front where negative
  Result<UtcTime> not_before, not_after;  // Unix seconds, years 0000 to 9999
  Result<AlternativeNames> names;
  Result<KeySummary> key;
  Result<std::string> signature_algorithm;  // "sha256WithRSAEncryption", or the dotted OID
  Result<bool> is_ca;                       // basicConstraints says so
  Result<bool> self_issued;                 // subject and issuer are the same name
};

// Never fails as a whole: where the bytes are no certificate (or more than 1 MiB), every field but
// sha256 holds that error. Thread-safe.
CertificateSummary summarize(std::span<const std::uint8_t> der);

}  // namespace certline::pki
