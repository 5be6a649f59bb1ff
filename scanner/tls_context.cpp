// The verify callback accepts everything and keeps the chain: the verdict comes later and must not
// depend on whether the handshake ends well. Bytes are counted in the BIO's callback. OpenSSL's
// handshake loop reads as long as there is data, so only there can the scanner stop an endless
// server and give other probes their turn.

#include "scanner/tls_context.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>

#include <stdexcept>

#include "pki/algorithms.hpp"
#include "pki/digest.hpp"
#include "pki/openssl_handles.hpp"

namespace certline::scanner {

namespace {

int facts_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

HandshakeFacts& facts_of(const SSL* ssl) {
  return *static_cast<HandshakeFacts*>(SSL_get_ex_data(ssl, facts_index()));
}

// Called by C code, through which no exception can pass.
int keep_chain(X509_STORE_CTX* context, void*) noexcept {
  const auto* ssl = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto& chain = facts_of(ssl).chain;
  chain.clear();
  facts_of(ssl).leaf.reset();
  STACK_OF(X509)* sent = X509_STORE_CTX_get0_untrusted(context);
  std::size_t total = 0;
  for (int i = 0; i < sk_X509_num(sent) && chain.size() < kKeptCertificates; ++i) {
    unsigned char* der = nullptr;
    const int size = i2d_X509(sk_X509_value(sent, i), &der);
    if (size <= 0) break;
    ObservedCertificate certificate;
    certificate.der.assign(der, der + size);
    OPENSSL_free(der);
    total += certificate.der.size();
    if (total > kSentChainBytes) break;
    certificate.sha256 = pki::sha256(certificate.der);
    chain.push_back(std::move(certificate));
  }
  X509* const leaf = chain.empty() ? nullptr : sk_X509_value(sent, 0);
  if (leaf != nullptr && X509_up_ref(leaf) == 1) facts_of(ssl).leaf.reset(leaf);
  pki::drain_openssl_errors();
  return 1;
}

int note_certificate_request(SSL* ssl, X509**, EVP_PKEY**) {
  facts_of(ssl).certificate_requested = true;
  return 0;  // go on without one
}

void note_alert(const SSL* ssl, int where, int alert) {
  constexpr int kFatal = 2;
  if (where == SSL_CB_READ_ALERT && alert >> 8 == kFatal) facts_of(ssl).fatal_alert = alert & 0xff;
}

long count_reads(BIO* bio, int operation, const char*, size_t, int, long, int result,
                 size_t* done) {
  auto& facts = *reinterpret_cast<HandshakeFacts*>(BIO_get_callback_arg(bio));
  if (operation == (BIO_CB_READ | BIO_CB_RETURN)) {
    if (result > 0 && done != nullptr) {
      facts.read_bytes += *done;
      facts.turn_bytes += *done;
      ++facts.reads;
      ++facts.turn_reads;
    }
    return result;
  }
  if (operation == BIO_CB_READ) {
    BIO_clear_retry_flags(bio);
    if (facts.read_bytes >= kProbeReadBytes || facts.reads >= kProbeReads) {
      facts.too_much = true;
      return 0;
    }
    if (facts.turn_bytes >= kTurnBytes || facts.turn_reads >= kTurnReads) {
      BIO_set_retry_read(bio);
      return -1;
    }
  }
  return operation & BIO_CB_RETURN ? result : 1;
}

void require(bool done, const char* what) {
  if (!done) {
    throw std::runtime_error(std::string("TLS cannot be set up: ") + what + ": " +
                             pki::drain_openssl_errors());
  }
}

}  // namespace

SslContextHandle make_client_context() {
  // First what OpenSSL would otherwise set up within the first scan, and never again had it failed.
  pki::load_algorithms();
  require(facts_index() >= 0 && SSL_get_ex_data_X509_STORE_CTX_idx() >= 0, "places for facts");
  SslContextHandle context(SSL_CTX_new(TLS_client_method()));
  require(context != nullptr, "SSL_CTX_new");
  SSL_CTX* c = context.get();
  SSL_CTX_set_security_level(c, 0);
  // Anonymous suites are left out: with them a server would have no certificate to show.
  require(SSL_CTX_set_cipher_list(c, "ALL:!aNULL:!PSK:!SRP:@SECLEVEL=0") == 1, "ciphers");
  // OpenSSL's own choice, and behind it curves that nobody should use: their certificates are read.
  require(SSL_CTX_set1_groups_list(c,
                                   "X25519:P-256:X448:P-521:P-384:ffdhe2048:ffdhe3072:ffdhe4096:"
                                   "secp256k1:brainpoolP256r1:brainpoolP384r1:brainpoolP512r1:"
                                   "P-224:P-192") == 1,
          "groups");
  require(SSL_CTX_set_min_proto_version(c, TLS1_VERSION) == 1, "lowest version");
  require(SSL_CTX_set_max_proto_version(c, 0) == 1, "highest version");
  SSL_CTX_set_options(c, SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_IGNORE_UNEXPECTED_EOF |
                             SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_clear_options(c, SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1);
  SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_max_cert_list(c, static_cast<long>(kSentChainBytes));
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_verify(c, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(c, keep_chain, nullptr);
  SSL_CTX_set_client_cert_cb(c, note_certificate_request);
  SSL_CTX_set_info_callback(c, note_alert);
  require(SSL_CTX_set_tlsext_status_type(c, TLSEXT_STATUSTYPE_ocsp) == 1, "stapling");
  return context;
}

SslHandle make_client_ssl(SSL_CTX* context, int fd, const HandshakeOptions& options,
                          HandshakeFacts& facts) {
  SslHandle handle(SSL_new(context));
  require(handle != nullptr, "SSL_new");
  SSL* ssl = handle.get();
  require(SSL_set_ex_data(ssl, facts_index(), &facts) == 1, "facts");
  require(SSL_set_fd(ssl, fd) == 1, "socket");
  BIO* bio = SSL_get_rbio(ssl);
  BIO_set_callback_ex(bio, count_reads);
  BIO_set_callback_arg(bio, reinterpret_cast<char*>(&facts));
  if (!options.server_name.empty()) {
    require(SSL_set_tlsext_host_name(ssl, options.server_name.c_str()) == 1, "server name");
  }
  if (options.offer_alpn) {
    static constexpr unsigned char kProtocols[] = "\x02h2\x08http/1.1";
    require(SSL_set_alpn_protos(ssl, kProtocols, sizeof kProtocols - 1) == 0, "ALPN");
  }
  if (options.max_version != 0) {
    require(SSL_set_max_proto_version(ssl, options.max_version) == 1, "highest version");
  }
  SSL_set_connect_state(ssl);
  return handle;
}

}  // namespace certline::scanner
