// Decides once what all TLS listeners offer: TLS 1.2 and 1.3 with forward secrecy and AEAD, no
// renegotiation, no resumption (so no ticket keys to rotate, and no 0-RTT). What the certificate
// says is read by pki.
#include "daemon/server/tls_identity.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "pki/certificate_summary.hpp"

namespace certline::server {
namespace {

constexpr const char* kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kGroups = "X25519:P-256:P-384";
constexpr const char* kSignatures =
    "ed25519:ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:"
    "rsa_pss_rsae_sha512:rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512:RSA+SHA256:"
    "RSA+SHA384:RSA+SHA512";
constexpr int kSecurityLevel = 2;
constexpr std::uint64_t kOptions = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_PRIORITIZE_CHACHA;
// "http/1.1" as RFC 7301 3.1 writes it on the wire.
constexpr std::array<unsigned char, 9> kHttpAlpn{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

// A client that offers other protocols only gets no connection (RFC 7301 3.2): it would not
// understand us.
int choose_alpn(SSL* ssl, const unsigned char** out, unsigned char* out_size,
                const unsigned char* offered, unsigned offered_size, void*) {
  const auto* session = static_cast<const TlsSession*>(SSL_get_app_data(ssl));
  if (session->alpn() == TlsSession::Alpn::none) return SSL_TLSEXT_ERR_NOACK;
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kHttpAlpn.data(), kHttpAlpn.size(), offered,
                            offered_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// A daemon has nobody to ask.
int no_password(char*, int, int, void*) {
  return 0;
}

Error unusable(std::string_view setting, const std::string& file, std::string_view why) {
  return {ErrorKind::invalid_value, std::string(setting) + ": " + file + ": " + std::string(why)};
}

std::string openssl_reason(const char* otherwise) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  std::string text = reason != nullptr ? reason : otherwise;
  ERR_clear_error();
  return text;
}

bool set_up(SSL_CTX* context) {
  SSL_CTX_set_options(context, kOptions);
  SSL_CTX_set_security_level(context, kSecurityLevel);
  // Without automatic retries a read ends after each record that holds no data.
  SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(context, choose_alpn, nullptr);
  SSL_CTX_set_default_passwd_cb(context, no_password);
  return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(context, kCiphers) == 1 &&
         SSL_CTX_set1_groups_list(context, kGroups) == 1 &&
         SSL_CTX_set1_sigalgs_list(context, kSignatures) == 1 &&
         SSL_CTX_set_num_tickets(context, 0) == 1;
}

}  // namespace

void TlsIdentity::Free::operator()(ssl_ctx_st* context) const {
  SSL_CTX_free(context);
}

Result<TlsIdentityPtr> TlsIdentity::load(const std::string& certificate, const std::string& key) {
  constexpr std::string_view kCertificate = "tls.certificate", kKey = "tls.key";
  for (const auto& [setting, file] : {std::pair(kCertificate, certificate), std::pair(kKey, key)}) {
    if (::access(file.c_str(), R_OK) != 0) return unusable(setting, file, std::strerror(errno));
  }
  ERR_clear_error();
  const std::shared_ptr<TlsIdentity> identity(new TlsIdentity);
  identity->context_.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* const context = identity->context_.get();
  if (context == nullptr || !set_up(context)) {
    return Error{ErrorKind::unavailable, "TLS cannot be set up: " + openssl_reason("no memory")};
  }
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return unusable(kKey, key,
                    openssl_reason("holds no key") +
                        "; write the PEM key of the certificate, without a password");
  }
  // A certificate that isn't the key's takes the key's place, which the check after it finds.
  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1) {
    return unusable(kCertificate, certificate,
                    openssl_reason("holds no certificate") + "; write a PEM chain, leaf first");
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    ERR_clear_error();
    return unusable(kKey, key, "is not the key of " + certificate);
  }
  if (auto leaf = identity->read_leaf(certificate); !leaf) return leaf.error();
  return TlsIdentityPtr(identity);
}

Result<void> TlsIdentity::read_leaf(const std::string& file) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(SSL_CTX_get0_certificate(context_.get()), &der);
  if (size <= 0) return unusable("tls.certificate", file, "its certificate is unreadable");
  const pki::CertificateSummary leaf = pki::summarize({der, static_cast<std::size_t>(size)});
  OPENSSL_free(der);
  if (!leaf.not_before || !leaf.not_after) {
    return unusable("tls.certificate", file, "its certificate's dates are unreadable");
  }
  if (!leaf.names)
    return unusable("tls.certificate", file, "its certificate's names are unreadable");
  not_after_ = *leaf.not_after;
  sha256_ = leaf.sha256;
  names_ = leaf.names->dns;
  for (const IpAddress& address : leaf.names->ip) names_.push_back(address.to_string());
  return {};
}

std::unique_ptr<TlsSession> TlsIdentity::session(int descriptor, TlsSession::Alpn alpn) const {
  SSL* const ssl = SSL_new(context_.get());
  if (ssl == nullptr) return nullptr;
  auto session = std::make_unique<TlsSession>(ssl, alpn);
  if (SSL_set_fd(ssl, descriptor) != 1) return nullptr;
  return session;
}

TlsFiles::Stamp TlsFiles::stamp_of(const std::string& file) {
  struct stat about {};
  if (::stat(file.c_str(), &about) != 0) return {};
  return {about.st_dev, about.st_ino, about.st_size, about.st_mtim.tv_sec, about.st_mtim.tv_nsec};
}

Result<TlsIdentityPtr> TlsFiles::load() {
  taken_ = last_seen_ = stamps();  // before they are read: a change in between is seen later
  return TlsIdentity::load(certificate_, key_);
}

bool TlsFiles::changed() {
  const Stamps now = stamps();
  const bool settled = now == last_seen_;
  last_seen_ = now;
  return settled && now != taken_;
}

}  // namespace certline::server
