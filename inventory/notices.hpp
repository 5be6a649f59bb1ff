#pragma once
// The records between an event and its message: what is going on for which account, what has to be
// delivered, and when to look at something again. store/FORMAT.md fixes the bytes.

#include <string>
#include <vector>

#include "inventory/alerts.hpp"

namespace certline {

// Which trouble of which account: rows of one (account, event, subject) lie together, by stage.
struct IncidentKey {
  AccountId account = kOperatorAccount;
  EventKind event = EventKind::test;
  Subject subject{};
  std::uint8_t stage = 0;
  auto operator<=>(const IncidentKey&) const = default;
};

struct IncidentHost {
  EndpointId endpoint = 0;
  std::string name;  // canonical
  bool over = false;
  bool operator==(const IncidentHost&) const = default;
};
inline constexpr std::size_t kHostsPerIncident = 1000;  // further ones are only counted

struct IncidentRecord {
  UtcTime begun_utc = 0;
  UtcTime told_utc = 0;  // 0: its message is not made yet
  std::vector<IncidentHost> hosts;
  std::uint32_t more_hosts = 0;
};

// A message on its way to one channel. Stored under its number; gone once delivered.
struct DeliveryRecord {
  std::uint64_t id = 0;
  std::string channel;  // a name of the configuration; "mail" for the account's own address
  std::string to;       // the address, for mail
  AccountId account = kOperatorAccount;
  std::string message;  // a Message as JSON (daemon/notices/message_json.hpp)
  UtcTime created_utc = 0;
  std::uint16_t attempts = 0;
  UtcTime next_utc = 0;  // when it is tried again
  bool dead = false;     // given up
  std::string last_error;
};

// When something is to be looked at again. The numbers are stored: never reuse one.
enum class AlarmKind : std::uint8_t {
  tell = 1,          // about: u64 account, whose incidents are gathered and told
  deliver = 2,       // about: u64 delivery
  silence = 3,       // about: a key's tag
  digest = 4,        // about: u64 account
  forget_token = 5,  // about: the first half of the token's SHA-256
};
struct Alarm {
  UtcTime at_utc = 0;
  AlarmKind kind = AlarmKind::tell;
  std::string about;  // bytes; a number is eight of them, big-endian
  auto operator<=>(const Alarm&) const = default;
};
std::string alarm_about(std::uint64_t number);
std::uint64_t number_of(const Alarm& alarm);  // 0 where `about` is no number

}  // namespace certline
