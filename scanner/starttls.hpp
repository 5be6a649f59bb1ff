#pragma once
// The plain-text dialogue before TLS, as a state machine without sockets. Bytes go in; out come
// bytes to send, the go-ahead, or a failure. One dialogue serves one connection.
//
// Rules for all protocols: TLS starts only after the one reply that permits it. A refusal is final.
// A reply to something we did not send is a protocol error. Bytes that arrive together with the
// go-ahead, behind it, are injection_suspected: they were sent in clear and would be taken for
// encrypted.
//
// SMTP RFC 3207, IMAP RFC 3501 and 9051, POP3 RFC 2595, FTP RFC 4217, LDAP RFC 4511 4.14, XMPP RFC
// 6120 5, ManageSieve RFC 5804, NNTP RFC 4642, PostgreSQL's SSLRequest, MySQL's SSLRequest.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "inventory/scan_state.hpp"
#include "protocol/values.hpp"

namespace certline::scanner {

inline constexpr std::size_t kStarttlsLineBytes = 4 * 1024;    // longest line, packet or XML tag
inline constexpr std::size_t kStarttlsReplyLines = 128;        // lines between two of our commands
inline constexpr std::size_t kStarttlsTotalBytes = 64 * 1024;  // over the whole dialogue
static_assert(kStarttlsLineBytes * 4 <= kStarttlsTotalBytes);

struct StarttlsStep {
  enum class Next : std::uint8_t { read, start_tls, fail };
  Next next = Next::read;
  std::string send;                      // to be sent first, also before TLS starts
  ScanState state = ScanState::pending;  // of fail
  std::string detail;                    // of fail: one printable line, at most 200 bytes
};

class StarttlsDialogue {
 public:
  virtual ~StarttlsDialogue() = default;

  // Called once, before anything else.
  virtual StarttlsStep start() = 0;
  // Any number of bytes, split anywhere. After start_tls or fail the dialogue is over: later calls
  // give that same outcome again, with nothing to send.
  StarttlsStep receive(std::span<const std::uint8_t> bytes);
  // The server ended the connection.
  StarttlsStep closed();

  // `host` is the name asked for (XMPP's `to`), `own_name` how we introduce ourselves. `p` != none.
  static std::unique_ptr<StarttlsDialogue> create(Starttls p, std::string host,
                                                  std::string own_name);

 protected:
  virtual StarttlsStep consume(std::string_view bytes) = 0;

 private:
  std::size_t received_ = 0;
  StarttlsStep outcome_;
};

// Steps, for the dialogues themselves.
StarttlsStep starttls_read(std::string send = {});
StarttlsStep starttls_go(std::string send = {});
StarttlsStep starttls_fail(ScanState state, std::string_view what, std::string_view quote = {});
inline StarttlsStep starttls_broken(std::string_view what, std::string_view quote = {}) {
  return starttls_fail(ScanState::starttls_protocol_error, what, quote);
}
inline StarttlsStep starttls_refused(std::string_view what, std::string_view quote = {}) {
  return starttls_fail(ScanState::starttls_refused, what, quote);
}
inline StarttlsStep starttls_not_offered(std::string_view what, std::string_view quote = {}) {
  return starttls_fail(ScanState::starttls_not_offered, what, quote);
}
StarttlsStep starttls_injection(std::string_view glued);

std::unique_ptr<StarttlsDialogue> line_dialogue(Starttls p, std::string own_name);
std::unique_ptr<StarttlsDialogue> packet_dialogue(Starttls p);  // ldap, postgres, mysql
std::unique_ptr<StarttlsDialogue> xmpp_dialogue(Starttls p, std::string host);

}  // namespace certline::scanner
