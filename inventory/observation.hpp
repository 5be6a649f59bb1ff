#pragma once
// What one scan saw. Pure data: the scanner passes it to its callback.

#include <cstdint>
#include <string>
#include <vector>

#include "inventory/scan_state.hpp"
#include "protocol/ip_address.hpp"
#include "protocol/values.hpp"

namespace certline {

using Bytes = std::vector<std::uint8_t>;

struct ObservedCertificate {
  Sha256 sha256{};
  Bytes der;
};

struct AddressObservation {
  IpAddress address;
  ScanState state = ScanState::pending;
  std::string detail;                      // one line, printable, at most 200 bytes
  bool trusted = false;                    // browsers would accept what is served
  std::vector<ObservedCertificate> chain;  // as sent, leaf first; empty: no certificate seen
  UtcTime not_before = 0, not_after = 0;   // of the leaf; 0 when it could not be read
  std::string protocol;                    // "TLSv1.3"
  std::string cipher;                      // "TLS_AES_256_GCM_SHA384"
  std::string alpn;
  std::string group;  // key exchange group, "x25519"
  std::uint32_t elapsed_ms = 0;
};

struct Observation {
  // ok: `addresses` holds one row for each address found (at most 16), refused ones included.
  // dns_error, no_address: nothing was reached, `addresses` is empty.
  ScanState resolution = ScanState::pending;
  std::string detail;
  UtcTime started_utc = 0, finished_utc = 0;
  std::vector<AddressObservation> addresses;  // ascending by address
  // Intermediates on a verified path to a trusted root: worth remembering.
  std::vector<ObservedCertificate> proven_intermediates;
};

}  // namespace certline
