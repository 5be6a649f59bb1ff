#pragma once
// Would browsers accept this chain for this name at this time? The answer does not depend on the
// handshake that brought the chain. "ok" comes only from an explicit full verdict.

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "inventory/observation.hpp"
#include "inventory/scan_state.hpp"
#include "protocol/ip_address.hpp"
#include "protocol/values.hpp"

struct x509_st;  // OpenSSL's X509

namespace certline::pki {

struct Anchor;       // path_search.hpp
struct Certificate;  // certificate.hpp

// The roots, loaded once, immutable, shared by all threads.
class TrustStore {
 public:
  // PEM file of roots. Errors (unavailable): unreadable, or not one certificate in it.
  static Result<std::shared_ptr<const TrustStore>> load(const std::string& pem_file);
  static const char* system_file();  // "/etc/ssl/certs/ca-certificates.crt"
  virtual ~TrustStore() = default;
  virtual std::size_t size() const = 0;
  virtual const Sha256& version() const = 0;  // over all roots, whatever their order

  // For the path search. The pointers live as long as the store.
  virtual std::vector<const Anchor*> issuers_of(const Certificate& child) const = 0;
  virtual const Anchor* find(const Sha256& sha256) const = 0;  // null: not a root
};

// Intermediates proven on some verified path, used to complete chains that were sent incompletely.
// Thread-safe; bounded (the oldest goes first).
class IntermediatePool {
 public:
  virtual ~IntermediatePool() = default;
  virtual bool add(const ObservedCertificate& certificate) = 0;  // false: was there already
  virtual std::size_t size() const = 0;
  // Those named as issuer by `child`: for the path search.
  virtual std::vector<std::shared_ptr<const Certificate>> issuers_of(
      const Certificate& child) const = 0;
  static std::shared_ptr<IntermediatePool> create(std::size_t most = 10'000);
};

struct ChainInput {
  std::span<const ObservedCertificate> chain;  // as sent, leaf first
  std::string host;                            // LDH name, or empty when ip is set
  std::optional<IpAddress> ip;
  UtcTime now = 0;
  std::span<const std::uint8_t> stapled_ocsp;  // DER OCSPResponse, empty for none
  // The handshake's own object for chain.front(), where there is one: spares parsing the leaf
  // again, which costs more than verifying it. A reference of its own is taken.
  x509_st* parsed_leaf = nullptr;
};

struct Verdict {
  ScanState state =
      ScanState::bad_certificate;         // the first problem in the order browsers show them
  bool trusted = false;                   // state == ok
  std::string detail;                     // every problem found, one line, at most 200 bytes
  UtcTime not_before = 0, not_after = 0;  // of the leaf
  bool completed_from_pool = false;
  std::vector<ObservedCertificate> proven_intermediates;  // of the accepted path, sent ones only
};

// Thread-safe. Cached by (leaf, sent certificates, name, staple, trust store version, pool size,
// day), and no longer than until the next moment at which one of the dates involved begins or ends.
//
// The roots' own dates and constraints do not count (a root is a name and a key). Caps on the
// length of validity by issue date hold for publicly trusted roots only; which roots are public is
// not known here, so they are no reason against a certificate.
class Verifier {
 public:
  virtual ~Verifier() = default;
  virtual Verdict judge(const ChainInput& input) = 0;
  virtual void set_trust(std::shared_ptr<const TrustStore> trust) = 0;  // atomic swap on reload
  static std::unique_ptr<Verifier> create(std::shared_ptr<const TrustStore> trust,
                                          std::shared_ptr<IntermediatePool> pool);
};

}  // namespace certline::pki
