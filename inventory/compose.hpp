#pragma once
// Makes messages from incidents and from what is known of their hosts: texts, titles, severity, and
// which incidents share one message. Pure.

#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "inventory/message.hpp"
#include "inventory/notices.hpp"

namespace certline {

// Troubles of the way to a server go together, one message for each kind; so do others when there
// are more of a kind than this.
inline constexpr std::size_t kMessagesPerKind = 5;
inline constexpr std::size_t kHostsPerMessage = kHostsPerIncident;

using Incidents = std::vector<std::pair<IncidentKey, IncidentRecord>>;

// Which of these incidents make one message, by their places, in the order in which they began.
// Each is in one group.
std::vector<std::vector<std::size_t>> group_incidents(std::span<const Incidents::value_type> told);

struct CertificateFacts {
  Sha256 sha256{};
  std::string subject, issuer;  // RFC 4514; empty: unknown
  UtcTime not_before_utc = 0, not_after_utc = 0;
};

struct HostFacts {
  std::string name;                        // canonical
  Subject subject{};                       // of its incident
  std::uint8_t stage = 0;                  // likewise
  std::optional<EndpointRecord> endpoint;  // absent: gone
  std::vector<AddressRecord> addresses;
  UtcTime not_before_utc = 0, not_after_utc = 0;  // of the certificate that `subject` is
};

struct MessageFacts {
  EventKind event = EventKind::test;
  EventKind about = EventKind::test;           // with recovered: what is over
  std::size_t incidents = 1;                   // so many make this message
  UtcTime begun_utc = 0;                       // of the first of them
  std::vector<CertificateFacts> certificates;  // with one certificate: that one
  std::vector<HostFacts> hosts;
  std::size_t more_hosts = 0;
};

// All but id, account and unsubscribe.
Message compose(const MessageFacts& facts, UtcTime now);

// About a client that went silent: its key's tag, what it used to do, how many names it added.
Message compose_silence(const KeyTag& tag, const KeyRecord& key, UtcTime now);

// The summary of an account: fed one name at a time, so that a million of them fit.
struct DigestFacts {
  struct Row {
    std::string name;
    UtcTime at_utc = 0;  // when its certificate ends
    UtcTime seen_utc = 0;
    std::string state, advice;
  };
  static constexpr std::size_t kRows = 100;  // of each list
  std::size_t names = 0, fine = 0, not_scanned = 0, resting = 0;
  std::size_t due_count = 0, problem_count = 0;  // also those not listed
  std::vector<Row> due;                          // within kDigestDays, the soonest
  std::vector<Row> problems;
  std::array<std::size_t, kEventKindCount + 1> open{};  // told and not over, by kind
};
inline constexpr UtcTime kDigestDays = 30;
void add_name(DigestFacts& facts, const std::string& name, const WatchRecord& watch,
              const EndpointRecord& endpoint, UtcTime now);
Message compose_digest(const DigestFacts& facts, Digest how_often, UtcTime now);

}  // namespace certline
