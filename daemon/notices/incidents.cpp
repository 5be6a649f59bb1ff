// Incidents: which trouble each account has open, whether it was reported, and which hosts are in
// it. A scan only opens and closes rows and sets an alarm. The message is made later, from what is
// true then. So many hosts of one certificate become one message, and trouble that ends within a
// moment becomes none. Next: incident_messages.cpp.
#include "daemon/notices/incidents.hpp"

#include <algorithm>

#include "daemon/notices/links.hpp"
#include "inventory/client_silence.hpp"
#include "inventory/rollup.hpp"

namespace certline::notices {
namespace {

using store::ReadView;
using store::WriteView;
using Rows = std::vector<std::pair<IncidentKey, IncidentRecord>>;

constexpr std::size_t kWatchersPerScan = 10'000;
// So long servers may take to read a certificate that was announced.
constexpr UtcTime kReloadGrace = 300;

bool has_channel(const runtime::Config& config, const std::string& account) {
  return std::any_of(config.channels.begin(), config.channels.end(),
                     [&](const runtime::ChannelConfig& c) { return c.account == account; });
}

// Spares looking at accounts where none of them can be told anything.
bool tells_accounts(const runtime::Config& config) {
  return !config.smtp.server.empty() ||
         std::any_of(config.channels.begin(), config.channels.end(),
                     [](const runtime::ChannelConfig& c) { return !c.account.empty(); });
}

IncidentHost* find_host(IncidentRecord& record, const IncidentHost& about) {
  const auto at = std::find_if(record.hosts.begin(), record.hosts.end(), [&](const auto& host) {
    return host.endpoint == about.endpoint && host.name == about.name;
  });
  return at == record.hosts.end() ? nullptr : &*at;
}

// False where it was there already.
bool add_host(IncidentRecord& record, const IncidentHost& about) {
  if (IncidentHost* const known = find_host(record, about)) {
    if (!known->over) return false;
    known->over = false;
  } else if (record.hosts.size() < kHostsPerIncident) {
    record.hosts.push_back(about);
  } else {
    ++record.more_hosts;
  }
  return true;
}

bool is_over(const IncidentRecord& record) {
  return record.more_hosts == 0 && std::all_of(record.hosts.begin(), record.hosts.end(),
                                               [](const auto& host) { return host.over; });
}

// Stages of one trouble that follow each other: they begin and end together.
bool is_staged(EventKind kind) {
  return kind == EventKind::renewal_overdue || kind == EventKind::expired;
}

void set_tell_alarm(WriteView& view, AccountId account, UtcTime at) {
  view.alarms.set({at, AlarmKind::tell, alarm_about(account)});
}

// A recovery that is not told yet, of trouble that has begun again: both are dropped.
bool take_back_recovery(WriteView& view, AccountId account, const AlertEvent& event,
                        const IncidentHost& about, UtcTime now) {
  if (!is_network_shaped(event.kind) && event.kind != EventKind::addresses_disagree) return false;
  const IncidentKey key{account, EventKind::recovered, event.subject,
                        static_cast<std::uint8_t>(event.kind)};
  for (auto& [found, record] : view.incidents.about(account, EventKind::recovered, event.subject)) {
    if (found != key || record.told_utc != 0) continue;
    view.incidents.remove(key);
    record.told_utc = now;
    for (IncidentHost& host : record.hosts) host.over = true;
    add_host(record, about);
    view.incidents.put({account, event.kind, event.subject, event.stage}, record);
    return true;
  }
  return false;
}

void begin_incident(WriteView& view, AccountId account, const AlertEvent& event,
                    const IncidentHost& about, UtcTime now, UtcTime tell_at) {
  const IncidentKey key{account, event.kind, event.subject, event.stage};
  for (auto& [known, record] : view.incidents.about(account, event.kind, event.subject)) {
    if (known != key) continue;
    if (add_host(record, about)) view.incidents.put(key, record);
    return;
  }
  if (take_back_recovery(view, account, event, about, now)) return;
  IncidentRecord record;
  record.begun_utc = now;
  record.hosts.push_back(about);
  view.incidents.put(key, record);
  set_tell_alarm(view, account, tell_at);
}

// When a trouble ends, and when that is to be told.
struct EndedTrouble {
  AlertEvent event;
  UtcTime now = 0, tell_at = 0;
};

void tell_recovery(WriteView& view, AccountId account, const EndedTrouble& ending,
                   const Rows& ended) {
  const auto& [event, now, tell_at] = ending;
  const IncidentKey key{account, EventKind::recovered, event.subject,
                        static_cast<std::uint8_t>(event.kind)};
  IncidentRecord record;
  record.begun_utc = now;
  for (const auto& [known, earlier] : view.incidents.about(account, key.event, key.subject)) {
    if (known == key) record = earlier;
  }
  for (const auto& [ended_key, ended_record] : ended) {
    if (ended_record.told_utc == 0) continue;
    record.begun_utc = std::min(record.begun_utc, ended_record.begun_utc);
    for (IncidentHost host : ended_record.hosts) {
      host.over = false;  // in the recovery it is news
      add_host(record, host);
    }
  }
  view.incidents.put(key, record);
  set_tell_alarm(view, account, tell_at);
}

// The host leaves a row that was not told yet; in one that was it stays, for the recovery.
bool end_host(IncidentRecord& record, const IncidentHost& about) {
  IncidentHost* const known = find_host(record, about);
  if (known == nullptr) {
    if (record.more_hosts == 0) return false;
    --record.more_hosts;
    return true;
  }
  if (known->over) return false;
  known->over = true;
  if (record.told_utc == 0) record.hosts.erase(record.hosts.begin() + (known - &record.hosts[0]));
  return true;
}

void end_rows(WriteView& view, AccountId account, const EndedTrouble& ending, const Rows& rows) {
  const auto over = [](const auto& row) { return is_over(row.second); };
  if (!std::all_of(rows.begin(), rows.end(), over)) {
    for (const auto& [key, record] : rows) view.incidents.put(key, record);
    return;
  }
  for (const auto& [key, record] : rows) view.incidents.remove(key);
  const bool told = std::any_of(rows.begin(), rows.end(),
                                [](const auto& row) { return row.second.told_utc != 0; });
  if (told && !ending.event.quiet) tell_recovery(view, account, ending, rows);
}

void end_incident(WriteView& view, AccountId account, const EndedTrouble& ending,
                  const IncidentHost& about) {
  Rows rows = view.incidents.about(account, ending.event.kind, ending.event.subject);
  if (is_staged(ending.event.kind)) {
    bool changed = false;
    for (auto& row : rows) changed = end_host(row.second, about) || changed;
    if (changed) end_rows(view, account, ending, rows);
    return;
  }
  for (auto& row : rows) {
    if (end_host(row.second, about)) end_rows(view, account, ending, {row});
  }
}

void end_quietly(WriteView& view, AccountId account, AlertEvent event, const IncidentHost& about,
                 UtcTime now) {
  event.over = event.quiet = true;
  end_incident(view, account, {event, now, now}, about);
}

std::string canonical_name(const EndpointRecord& endpoint) {
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  const std::string host = v6 ? '[' + endpoint.host + ']' : endpoint.host;
  return endpoint.port == 443 ? host : host + ':' + std::to_string(endpoint.port);
}

void tell_daemon(WriteView& view, const runtime::Config& config, EventKind kind, bool begun,
                 UtcTime now) {
  AlertEvent event;
  event.kind = kind;
  event.over = !begun;
  tell_account(view, config, kOperatorAccount, event, {}, now);
}

}  // namespace

std::string mail_address(const runtime::Config& config, const ReadView& view, AccountId id) {
  if (config.smtp.server.empty()) return {};
  if (id == kOperatorAccount) return config.notify.address;
  const auto account = view.accounts.find(id);
  if (!account || account->mail_off || account->blocked_utc != 0) return {};
  if (config.verification == runtime::Verification::email && account->verified_utc == 0) return {};
  return can_get_mail(account->email) ? account->email : std::string();
}

bool is_told(const runtime::Config& config, const ReadView& view, AccountId id) {
  if (id == kOperatorAccount) {
    return has_channel(config, "") || !mail_address(config, view, id).empty();
  }
  if (!tells_accounts(config)) return false;
  const auto account = view.accounts.find(id);
  if (!account || account->blocked_utc != 0) return false;
  if (!account->email.empty() && has_channel(config, account->email)) return true;
  return !mail_address(config, view, id).empty();
}

void tell_account(WriteView& view, const runtime::Config& config, AccountId account,
                  const AlertEvent& event, const IncidentHost& about, UtcTime now) {
  const UtcTime tell_at = now + config.notify.gather_s;
  if (event.over) {
    end_incident(view, account, {event, now, tell_at}, about);
  } else if (is_told(config, view, account)) {
    begin_incident(view, account, event, about, now, tell_at);
  }
}

void tell_scan(WriteView& view, const runtime::Config& config, const EndpointRecord& endpoint,
               std::span<const AlertEvent> events, UtcTime now) {
  if (events.empty()) return;
  const auto tell = [&](AccountId account, const std::string& name) {
    for (const AlertEvent& event : events) {
      tell_account(view, config, account, event, {endpoint.id, name, false}, now);
    }
  };
  tell(kOperatorAccount, canonical_name(endpoint));
  if (!tells_accounts(config)) return;
  for (const auto& [account, canonical] : view.watches.on(endpoint.id).first(kWatchersPerScan)) {
    if (account == kOperatorAccount) continue;
    const auto watch = view.watches.find(account, canonical);
    if (watch && !watch->resting) tell(account, canonical);
  }
}

void adopt_watch(WriteView& view, const runtime::Config& config, AccountId account,
                 const std::string& canonical, const WatchRecord& watch, UtcTime now) {
  if (account == kOperatorAccount || watch.resting || !is_told(config, view, account)) return;
  for (const AlertEvent& event : standing(view.incidents.alerts(watch.endpoint), watch.endpoint)) {
    tell_account(view, config, account, event, {watch.endpoint, canonical, false}, now);
  }
}

void release_watch(WriteView& view, AccountId account, const std::string& canonical,
                   const WatchRecord& watch, UtcTime now) {
  const AlertState state = view.incidents.alerts(watch.endpoint);
  std::vector<AlertEvent> events = standing(state, watch.endpoint);
  if (state.leaf) events.push_back({EventKind::renewed, *state.leaf, 0, false, false});
  if (watch.expected_told && watch.expected) {
    events.push_back({EventKind::old_certificate, *watch.expected, 0, false, false});
  }
  const auto endpoint = view.endpoints.find(watch.endpoint);
  const bool last = endpoint && endpoint->watchers <= 1;
  for (const AlertEvent& event : events) {
    end_quietly(view, account, event, {watch.endpoint, canonical, false}, now);
    if (!last || account == kOperatorAccount) continue;
    end_quietly(view, kOperatorAccount, event, {watch.endpoint, canonical_name(*endpoint), false},
                now);
  }
}

void drop_expectation(WriteView& view, AccountId account, const std::string& canonical,
                      WatchRecord& watch, UtcTime now) {
  if (!watch.expected_told || !watch.expected) return;
  const AlertEvent event{EventKind::old_certificate, *watch.expected, 0, false, false};
  for (const AccountId told : {account, kOperatorAccount}) {
    end_quietly(view, told, event, {watch.endpoint, canonical, false}, now);
  }
  watch.expected_told = false;
}

bool judge_expectation(WriteView& view, const runtime::Config& config, AccountId account,
                       const std::string& canonical, WatchRecord& watch,
                       std::span<const AddressRecord> addresses, UtcTime now) {
  if (!watch.expected || watch.expected_met_utc != 0) return false;
  AlertEvent event{EventKind::old_certificate, *watch.expected, 0, false, false};
  const bool met = serves_everywhere(addresses, *watch.expected);
  if (met) {
    watch.expected_met_utc = now;
    if (!watch.expected_told) return true;
    event.over = true;
  } else {
    const bool another = std::any_of(addresses.begin(), addresses.end(), [&](const auto& a) {
      return !a.chain.empty() && a.chain.front() != *watch.expected;
    });
    // Where nothing answers nobody knows what is served: that is told as such.
    if (watch.expected_told || !another || now < watch.expected_utc + kReloadGrace) return false;
  }
  watch.expected_told = !met;
  tell_account(view, config, account, event, {watch.endpoint, canonical, false}, now);
  if (account != kOperatorAccount) {
    tell_account(view, config, kOperatorAccount, event, {watch.endpoint, canonical, false}, now);
  }
  return true;
}

void tell_outage(WriteView& view, const runtime::Config& config, bool outage, UtcTime now) {
  tell_daemon(view, config, EventKind::mass_outage, outage, now);
}

void tell_stalled(WriteView& view, const runtime::Config& config, bool stalled, UtcTime now) {
  tell_daemon(view, config, EventKind::scanner_stalled, stalled, now);
}

void check_silence(WriteView& view, const runtime::Config& config, const Alarm& alarm,
                   UtcTime now) {
  KeyTag tag{};
  if (alarm.about.size() != tag.size()) return;
  std::copy(alarm.about.begin(), alarm.about.end(), tag.begin());
  auto key = view.keys.by_tag(tag);
  if (!key || key->silence_told) return;
  const auto silent = silent_from(*key);
  if (!silent) return;
  if (*silent > now) {
    view.alarms.set({*silent, AlarmKind::silence, alarm.about});
    return;
  }
  key->silence_told = true;
  view.keys.put(key->digest, *key);
  const AlertEvent event{EventKind::client_silent, subject_of(tag), 0, false, false};
  for (const AccountId account : {key->account, kOperatorAccount}) {
    tell_account(view, config, account, event, {0, hex(tag), false}, now);
  }
}

void end_silence(WriteView& view, const KeyTag& tag, const KeyRecord& key, UtcTime now) {
  if (!key.silence_told) return;
  const AlertEvent event{EventKind::client_silent, subject_of(tag), 0, true, false};
  for (const AccountId account : {key.account, kOperatorAccount}) {
    end_incident(view, account, {event, now, now}, {0, hex(tag), false});
  }
}

void forget_incidents(WriteView& view, AccountId account) {
  for (const auto& [key, incident] : view.incidents.of(account)) view.incidents.remove(key);
}

}  // namespace certline::notices
