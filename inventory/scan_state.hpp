#pragma once
// The possible results of a look at one address. The numbers are stored (store/FORMAT.md): never
// reuse one.

#include <cstdint>
#include <optional>
#include <string_view>

namespace certline {

enum class ScanState : std::uint8_t {
  pending = 0,  // not looked at yet; also the default of anything that was never set: never "ok"
  ok = 1,       // only ever set from a full verdict
  // The chain verdict: what browsers would say.
  expired = 10,
  not_yet_valid = 11,
  wrong_host = 12,
  self_signed = 13,
  untrusted_root = 14,
  incomplete_chain = 15,  // works only where the client knows or fetches the missing intermediate
  weak_key = 16,
  weak_signature = 17,
  revoked = 18,          // by a valid stapled OCSP response
  bad_certificate = 19,  // unparsable, or breaks a rule that browsers enforce; detail says which
  old_certificate_served = 20,  // not the leaf that was announced with `sha256`
  // The way there.
  client_certificate_required = 30,
  refused = 31,  // connection refused
  timeout = 32,
  unreachable = 33,  // no route, host or network unreachable
  not_tls = 34,      // something answers, but not TLS
  tls_error = 35,    // TLS alert, reset or end during the handshake
  starttls_refused = 40,
  starttls_not_offered = 41,
  starttls_protocol_error = 42,  // the dialogue broke its rules
  injection_suspected = 43,      // bytes glued behind the go-ahead
  // Before any connection.
  policy = 50,      // the address policy forbids it: scanner.allow
  dns_error = 51,   // the resolver failed
  no_address = 52,  // the name exists without address, or doesn't exist
};

std::string_view scan_state_name(ScanState s);  // "old_certificate_served"
std::optional<ScanState> scan_state_by_number(std::uint8_t n);

// Was a certificate's content judged (true also for ok)? Otherwise the way there failed.
bool is_verdict(ScanState s);

// Which of two states a summary shows: larger is worse. ok is 0.
int severity(ScanState s);

}  // namespace certline
