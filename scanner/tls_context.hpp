#pragma once
// The one client SSL_CTX that all probes share, and the results of a handshake. It accepts whatever
// a server sends, however old or weak; pki decides whether that is good enough.

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>

#include "inventory/observation.hpp"
#include "pki/openssl_handles.hpp"

namespace certline::scanner {

inline constexpr std::size_t kKeptCertificates = 32;             // of a chain, the rest is not kept
inline constexpr std::size_t kSentChainBytes = 1024 * 1024;      // of a whole chain
inline constexpr std::size_t kProbeReadBytes = 2 * 1024 * 1024;  // TLS bytes of one connection
inline constexpr std::size_t kTurnBytes = 64 * 1024;  // before another probe gets its turn
// Two reads take a record, its header and its body: tiny records cost much more than their bytes.
inline constexpr std::size_t kProbeReads = 16'384;
inline constexpr std::size_t kTurnReads = 1'024;
static_assert(kSentChainBytes < kProbeReadBytes && kTurnBytes < kProbeReadBytes);

struct SslFree {
  void operator()(SSL* s) const { SSL_free(s); }
  void operator()(SSL_CTX* c) const { SSL_CTX_free(c); }
};
using SslHandle = std::unique_ptr<SSL, SslFree>;
using SslContextHandle = std::unique_ptr<SSL_CTX, SslFree>;

// Filled by callbacks while a handshake runs; must outlive its SSL.
struct HandshakeFacts {
  std::vector<ObservedCertificate> chain;  // as sent, leaf first
  pki::CertificateHandle leaf;             // the first of them, parsed
  bool certificate_requested = false;
  int fatal_alert = -1;  // that the server sent, RFC 8446 6; -1: none
  std::size_t read_bytes = 0, turn_bytes = 0, reads = 0, turn_reads = 0;
  bool too_much = false;  // kProbeReadBytes or kProbeReads was reached
};

// Throws std::runtime_error if OpenSSL is not usable.
SslContextHandle make_client_context();

struct HandshakeOptions {
  std::string server_name;  // empty: no SNI
  bool offer_alpn = false;  // h2, http/1.1
  int max_version = 0;      // TLS1_2_VERSION; 0: the newest
};

// A client SSL on the non-blocking socket `fd`, which stays the caller's.
SslHandle make_client_ssl(SSL_CTX* context, int fd, const HandshakeOptions& options,
                          HandshakeFacts& facts);

}  // namespace certline::scanner
