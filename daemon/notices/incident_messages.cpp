// Makes messages from incidents that were not reported yet. The content is read at this moment, not
// remembered from the scan. So it is as fresh as possible, and rows stay small. Next:
// inventory/compose.cpp, then message_json.cpp.
#include <algorithm>
#include <map>
#include <set>

#include "daemon/notices/incidents.hpp"
#include "daemon/notices/links.hpp"
#include "daemon/notices/message_json.hpp"
#include "inventory/compose.hpp"
#include "inventory/schedule.hpp"
#include "pki/certificate_summary.hpp"

namespace certline::notices {
namespace {

using store::ReadView;
using store::WriteView;

constexpr std::size_t kDigestNames = 50'000;  // one write looks at no more

EventKind about_of(const IncidentKey& key) {
  if (key.event != EventKind::recovered) return key.event;
  return event_by_number(key.stage).value_or(EventKind::recovered);
}

bool is_about_certificate(EventKind kind) {
  return kind == EventKind::renewal_overdue || kind == EventKind::expired ||
         kind == EventKind::renewed || kind == EventKind::old_certificate ||
         kind == EventKind::verdict;
}

bool is_ripe(const IncidentRecord& record, const runtime::Config& config, UtcTime now) {
  return record.begun_utc > now || record.begun_utc + config.notify.gather_s <= now;
}

// Gathers the facts of messages; what several hosts share is read once.
class Facts {
 public:
  explicit Facts(const ReadView& view) : view_(view) {}

  MessageFacts of(const Incidents& told, const std::vector<std::size_t>& group) {
    MessageFacts out;
    const IncidentKey& first = told[group.front()].first;
    out.event = first.event;
    out.about = about_of(first);
    out.begun_utc = told[group.front()].second.begun_utc;
    std::set<std::tuple<Subject, std::uint8_t>> incidents;
    for (const std::size_t place : group) {
      const auto& [key, record] = told[place];
      incidents.insert({key.subject, key.event == EventKind::verdict ? key.stage : 0});
      out.begun_utc = std::min(out.begun_utc, record.begun_utc);
      out.more_hosts += record.more_hosts;
      add_hosts(out, key, record);
    }
    out.incidents = incidents.size();
    if (incidents.size() == 1 && is_about_certificate(out.about)) {
      out.certificates.push_back(certificate(first.subject, out.hosts));
    }
    return out;
  }

 private:
  void add_hosts(MessageFacts& out, const IncidentKey& key, const IncidentRecord& record) {
    for (const IncidentHost& host : record.hosts) {
      if (host.over || host.name.empty()) continue;
      if (out.hosts.size() == kHostsPerMessage) {
        ++out.more_hosts;
        continue;
      }
      out.hosts.push_back(host_facts(key, host));
    }
  }

  HostFacts host_facts(const IncidentKey& key, const IncidentHost& host) {
    HostFacts out;
    out.name = host.name;
    out.subject = key.subject;
    out.stage = key.stage;
    if (host.endpoint == 0) return out;
    out.endpoint = view_.endpoints.find(host.endpoint);
    out.addresses = view_.addresses.of(host.endpoint);
    if (!is_about_certificate(about_of(key))) return out;
    const AlertState state = view_.incidents.alerts(host.endpoint);
    if (state.leaf == key.subject) {
      out.not_before_utc = state.not_before_utc;
      out.not_after_utc = state.not_after_utc;
    } else {
      const CertificateFacts known = certificate(key.subject, {});
      out.not_before_utc = known.not_before_utc;
      out.not_after_utc = known.not_after_utc;
    }
    return out;
  }

  // What cannot be read of it is filled in from what scans noted.
  CertificateFacts certificate(const Sha256& sha256, const std::vector<HostFacts>& hosts) {
    const auto [at, fresh] = certificates_.try_emplace(sha256);
    CertificateFacts& out = at->second;
    if (fresh) {
      out.sha256 = sha256;
      if (const auto record = view_.certificates.find(sha256)) read(out, record->der);
    }
    for (const HostFacts& host : hosts) {
      if (out.not_after_utc != 0 || host.subject != sha256) continue;
      out.not_before_utc = host.not_before_utc;
      out.not_after_utc = host.not_after_utc;
    }
    return out;
  }

  static void read(CertificateFacts& out, const std::vector<std::uint8_t>& der) {
    const pki::CertificateSummary summary = pki::summarize(der);
    if (summary.subject) out.subject = *summary.subject;
    if (summary.issuer) out.issuer = *summary.issuer;
    if (summary.not_before) out.not_before_utc = *summary.not_before;
    if (summary.not_after) out.not_after_utc = *summary.not_after;
  }

  const ReadView& view_;
  std::map<Sha256, CertificateFacts> certificates_;
};

Message compose_group(const ReadView& view, Facts& facts, const Incidents& told,
                      const std::vector<std::size_t>& group, UtcTime now) {
  const IncidentKey& key = told[group.front()].first;
  if (key.event == EventKind::client_silent && group.size() == 1) {
    KeyTag tag{};
    std::copy_n(key.subject.begin(), tag.size(), tag.begin());
    if (const auto record = view.keys.by_tag(tag)) return compose_silence(tag, *record, now);
  }
  return compose(facts.of(told, group), now);
}

// An earlier stage of the same trouble that was told goes into the later one, with its hosts.
void absorb_stages(WriteView& view, Incidents::value_type& told) {
  const IncidentKey& key = told.first;
  if (key.event != EventKind::renewal_overdue && key.event != EventKind::expired) return;
  for (const auto& [earlier, record] : view.incidents.about(key.account, key.event, key.subject)) {
    if (earlier.stage >= key.stage) continue;
    IncidentRecord& into = told.second;
    into.more_hosts = std::max(into.more_hosts, record.more_hosts);
    for (const IncidentHost& host : record.hosts) {
      const bool known = std::any_of(into.hosts.begin(), into.hosts.end(), [&](const auto& h) {
        return h.endpoint == host.endpoint && h.name == host.name;
      });
      if (known) continue;
      if (into.hosts.size() < kHostsPerIncident) {
        into.hosts.push_back(host);
      } else if (!host.over) {
        ++into.more_hosts;
      }
    }
    view.incidents.remove(earlier);
  }
}

// Rows lie together by stage, so that the next one of the same trouble is the later one.
void drop_absorbed(Incidents& told) {
  Incidents kept;
  for (std::size_t i = 0; i < told.size(); ++i) {
    const IncidentKey& key = told[i].first;
    const bool staged = key.event == EventKind::renewal_overdue || key.event == EventKind::expired;
    if (staged && i + 1 < told.size()) {
      const IncidentKey& next = told[i + 1].first;
      if (next.event == key.event && next.subject == key.subject) continue;
    }
    kept.push_back(std::move(told[i]));
  }
  told = std::move(kept);
}

UtcTime period_of(Digest digest) {
  return digest == Digest::weekly ? 7 * kDay : kDay;
}

}  // namespace

void put_delivery(WriteView& view, const std::string& channel, const std::string& to,
                  const Message& message, UtcTime now) {
  DeliveryRecord record;
  record.id = view.deliveries.new_id();
  record.channel = channel;
  record.to = to;
  record.account = message.account;
  record.message = message_json(message);
  record.created_utc = record.next_utc = now;
  view.deliveries.put(record);
  view.alarms.set({now, AlarmKind::deliver, alarm_about(record.id)});
}

std::size_t deliver(WriteView& view, const runtime::Config& config, const runtime::Entropy& entropy,
                    Message message, UtcTime now) {
  message.id = runtime::uuid_text(entropy.uuid());
  std::string own;
  if (message.account != kOperatorAccount) {
    const auto account = view.accounts.find(message.account);
    if (!account || account->blocked_utc != 0) return 0;
    own = account->email;
    if (own.empty()) return 0;
  }
  std::size_t count = 0;
  for (const runtime::ChannelConfig& channel : config.channels) {
    if (channel.account != own) continue;
    put_delivery(view, channel.name, channel.to, message, now);
    ++count;
  }
  const std::string mail = mail_address(config, view, message.account);
  if (mail.empty()) return count;
  if (message.account != kOperatorAccount) {
    message.unsubscribe = unsubscribe_link(config, view, message.account);
  }
  put_delivery(view, runtime::kMailChannel, mail, message, now);
  return count + 1;
}

std::size_t gather(WriteView& view, const runtime::Config& config, const runtime::Entropy& entropy,
                   AccountId account, UtcTime now) {
  Incidents told;
  for (auto& row : view.incidents.of(account)) {
    if (row.second.told_utc != 0) continue;
    if (is_ripe(row.second, config, now)) {
      told.push_back(std::move(row));
    } else {  // its own alarm, in case gather_s was another when it was set
      view.alarms.set(
          {row.second.begun_utc + config.notify.gather_s, AlarmKind::tell, alarm_about(account)});
    }
  }
  if (told.empty()) return 0;
  for (auto& row : told) absorb_stages(view, row);
  drop_absorbed(told);
  std::size_t count = 0;
  if (is_told(config, view, account)) {
    Facts facts(view);
    for (const auto& group : group_incidents(told)) {
      Message message = compose_group(view, facts, told, group, now);
      message.account = account;
      count += deliver(view, config, entropy, std::move(message), now);
    }
  }
  for (auto& [key, record] : told) {
    if (key.event == EventKind::recovered) {
      view.incidents.remove(key);
    } else {
      record.told_utc = now;
      view.incidents.put(key, record);
    }
  }
  return count;
}

std::size_t tell_digest(WriteView& view, const runtime::Config& config,
                        const runtime::Entropy& entropy, AccountId id, UtcTime now) {
  auto account = view.accounts.find(id);
  if (!account) return 0;
  const Digest digest = account->digest.value_or(config.notify.digest);
  if (digest == Digest::off) return 0;
  const UtcTime due = account->digest_utc + period_of(digest);
  if (account->digest_utc <= now && due > now) {
    view.alarms.set({due, AlarmKind::digest, alarm_about(id)});
    return 0;
  }
  account->digest_utc = now;
  view.accounts.put(*account);
  view.alarms.set({now + period_of(digest), AlarmKind::digest, alarm_about(id)});
  if (!is_told(config, view, id)) return 0;

  DigestFacts facts;
  for (const auto& [canonical, watch] : view.watches.of(id)) {
    if (facts.names >= kDigestNames) break;
    if (const auto endpoint = view.endpoints.find(watch.endpoint)) {
      add_name(facts, canonical, watch, *endpoint, now);
    }
  }
  if (facts.names == 0) return 0;
  for (const auto& [key, record] : view.incidents.of(id)) {
    if (record.told_utc != 0) ++facts.open.at(static_cast<std::size_t>(key.event));
  }
  Message message = compose_digest(facts, digest, now);
  message.account = id;
  return deliver(view, config, entropy, std::move(message), now);
}

}  // namespace certline::notices
