#pragma once
// Looks at one address: connect, STARTTLS, handshake. If the first try brings no certificate, a
// second one uses other settings. A coroutine on its caller's executor. It throws only on
// cancellation (boost::system::system_error, operation_aborted) and when memory is out.

#include <openssl/ssl.h>

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <string>

#include "inventory/observation.hpp"
#include "pki/openssl_handles.hpp"
#include "pki/verdict.hpp"
#include "protocol/ip_address.hpp"
#include "protocol/values.hpp"

namespace certline::scanner {

struct ProbeTarget {
  IpAddress address;
  std::uint16_t port = 443;
  Starttls starttls = Starttls::none;
  std::string host;  // LDH name, sent as SNI; or address text, then without SNI
  std::string ehlo_name;
  std::chrono::milliseconds timeout{10'000};  // over all of it
};

// What was seen, before anybody judged it.
struct ProbeFacts {
  ScanState failure = ScanState::ok;  // why the handshake did not end well; ok: it did
  std::string detail;                 // of the failure
  std::vector<ObservedCertificate> chain;
  pki::CertificateHandle leaf;  // the first of them as OpenSSL's object, where there is one
  Bytes stapled_ocsp;
  std::string protocol, cipher, alpn, group;
  bool client_certificate_required = false;
  std::uint32_t elapsed_ms = 0;
};

boost::asio::awaitable<ProbeFacts> probe(ProbeTarget target, SSL_CTX* context);

struct Judged {
  AddressObservation row;
  std::vector<ObservedCertificate> proven_intermediates;
};

// A problem of the chain comes first, then a client certificate that is missing, then a handshake
// that failed otherwise; `trusted` speaks of the chain alone.
Judged judge_probe(const ProbeTarget& target, ProbeFacts facts, pki::Verifier& verifier,
                   UtcTime now);

}  // namespace certline::scanner
