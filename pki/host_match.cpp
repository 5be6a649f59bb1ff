// OpenSSL's matching, with the subject switched off. Names come from the daemon's own parser. A
// name that OpenSSL would take for a pattern (a leading dot, an embedded NUL) matches nothing here.

#include "pki/host_match.hpp"

namespace certline::pki {

bool covers_host(const Certificate& certificate, const std::string& host) {
  if (host.empty() || host.front() == '.' || host.find('\0') != std::string::npos) return false;
  constexpr unsigned kRules =
      X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
  const bool covered =
      X509_check_host(certificate.x509.get(), host.data(), host.size(), kRules, nullptr) == 1;
  drain_openssl_errors();
  return covered;
}

bool covers_address(const Certificate& certificate, const IpAddress& address) {
  const std::size_t size = address.is_v4() ? 4 : 16;
  const bool covered =
      X509_check_ip(certificate.x509.get(), address.bytes.data() + (16 - size), size, 0) == 1;
  drain_openssl_errors();
  return covered;
}

bool has_alternative_names(const Certificate& certificate) {
  return X509_get_ext_by_NID(certificate.x509.get(), NID_subject_alt_name, -1) >= 0;
}

}  // namespace certline::pki
