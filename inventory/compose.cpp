// Titles and texts are one table with a row for each kind of event. A row has a text for one host,
// for several hosts, for several certificates, and for the end of the trouble. A missing text fails
// a test before anybody gets it in a mail. Next: compose_host.cpp; digest.cpp for summaries.
#include "inventory/compose.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "inventory/schedule.hpp"
#include "inventory/wording.hpp"

namespace certline {
namespace {

struct Wording {
  EventKind kind;
  std::string_view one;   // behind the names: "example.org and 2 more" + one
  std::string_view many;  // behind the number of certificates or names
  std::string_view over;  // behind the names, once it has passed
  std::string_view text;
};

constexpr std::array kWordings = {
    Wording{EventKind::renewal_overdue, ": the certificate is not renewed and ",
            " certificates end soon and are not renewed",
            ": the certificate that was due for renewal is no longer served",
            "Renewal is due. Browsers refuse the certificate once it has ended."},
    Wording{EventKind::expired, ": the certificate ", " certificates have expired",
            ": the expired certificate is no longer served",
            "Browsers refuse it. This is said again each day for a week, then each week."},
    Wording{EventKind::renewed, ": the certificate is renewed and ", " certificates are renewed",
            "", "A later certificate is served wherever a look was possible."},
    Wording{EventKind::old_certificate, ": the announced certificate is not served",
            " announced certificates are not served", ": the announced certificate is served",
            "A new certificate was announced, but the servers still send another one: they have "
            "to read it again."},
    Wording{EventKind::verdict, ": browsers refuse the certificate: ",
            " certificates are refused by browsers", ": browsers accept the certificate",
            "Found in the certificates themselves, by the rules of browsers. Where several "
            "addresses answer, the worst one counts."},
    Wording{EventKind::addresses_disagree, ": its addresses serve different certificates",
            " names have addresses that serve different certificates",
            ": all addresses serve the same certificate",
            "Several looks in a row found that. Most often one server was left out at a renewal."},
    Wording{EventKind::address_down, ": some addresses do not answer",
            " names have addresses that do not answer", ": all addresses answer again",
            "Three looks in a row failed there; the other addresses answer."},
    Wording{EventKind::unreachable, " does not answer", " names do not answer", " answers again",
            "Three looks in a row failed. What is served there now is not known; dates are those "
            "of an earlier look."},
    Wording{EventKind::could_not_check, " could not be checked", " names could not be checked",
            " can be checked again",
            "Three times in a row no look was possible. That says nothing about the certificate."},
    Wording{EventKind::client_silent, ": a client that used to report has gone silent",
            " clients that used to report have gone silent", ": a silent client is back",
            "It has stayed away for longer than its habit. Does its timer still run?"},
    Wording{EventKind::scanner_stalled, "The scanner stands still", "", "The scanner works again",
            "Names are due and none is being looked at. On the daemon's host: `systemctl status "
            "certlined; journalctl -u certlined -n 50`"},
    Wording{EventKind::mass_outage, "Most of what is watched does not answer", "",
            "Most of what is watched answers again",
            "So much at once is rather the daemon's own network: `ip route; resolvectl status`. "
            "While it lasts, no single name is reported as unreachable."},
};

const Wording* wording_of(EventKind kind) {
  const auto at = std::find_if(kWordings.begin(), kWordings.end(),
                               [&](const Wording& w) { return w.kind == kind; });
  return at == kWordings.end() ? nullptr : &*at;
}

// What makes incidents one message by themselves: a certificate, and of a verdict its state.
auto subject_group(const IncidentKey& key) {
  const bool by_stage = key.event == EventKind::verdict || key.event == EventKind::recovered;
  return std::tuple(key.event, by_stage ? key.stage : std::uint8_t{0}, key.subject);
}

EventKind shape_of(const IncidentKey& key) {
  if (key.event != EventKind::recovered) return key.event;
  return event_by_number(key.stage).value_or(EventKind::recovered);
}

// Merged, verdicts of all states go together; what is over, by what it was.
std::pair<EventKind, std::uint8_t> kind_group(const IncidentKey& key) {
  return {key.event, key.event == EventKind::recovered ? key.stage : std::uint8_t{0}};
}

Severity severity_of(const MessageFacts& facts, UtcTime now) {
  switch (facts.event) {
    case EventKind::expired:
    case EventKind::unreachable:
    case EventKind::scanner_stalled:
    case EventKind::mass_outage:
      return Severity::critical;
    case EventKind::renewed:
    case EventKind::recovered:
      return Severity::good;
    case EventKind::old_certificate:
    case EventKind::addresses_disagree:
    case EventKind::address_down:
    case EventKind::could_not_check:
    case EventKind::client_silent:
      return Severity::warning;
    case EventKind::verdict: {
      const bool works_somewhere =
          std::all_of(facts.hosts.begin(), facts.hosts.end(), [](const HostFacts& host) {
            const auto state = static_cast<ScanState>(host.stage);
            return state == ScanState::incomplete_chain || state == ScanState::weak_key ||
                   state == ScanState::weak_signature;
          });
      return works_somewhere ? Severity::warning : Severity::critical;
    }
    case EventKind::renewal_overdue: {
      Severity worst = Severity::notice;
      for (const HostFacts& host : facts.hosts) {
        if (host.stage <= 1) continue;
        worst = std::max(
            worst, host.not_after_utc - now <= 3 * kDay ? Severity::critical : Severity::warning);
      }
      return worst;
    }
    default:
      return Severity::notice;
  }
}

std::string names_of(const MessageFacts& facts) {
  if (facts.hosts.empty()) return {};
  const std::size_t more = facts.hosts.size() - 1 + facts.more_hosts;
  return facts.hosts.front().name + (more == 0 ? "" : " and " + std::to_string(more) + " more");
}

std::string single_title(const MessageFacts& facts, const Wording& wording, UtcTime now) {
  std::string out = names_of(facts) + std::string(wording.one);
  if (facts.hosts.empty()) return out;
  const HostFacts& first = facts.hosts.front();
  const std::size_t hosts = facts.hosts.size() + facts.more_hosts;
  switch (facts.event) {
    case EventKind::renewal_overdue:
    case EventKind::renewed:
    case EventKind::expired:
      return out + ends_text(first.not_after_utc, now);
    case EventKind::verdict:
      return out + phrase(static_cast<ScanState>(first.stage));
    case EventKind::unreachable:
      return hosts == 1 ? out : std::to_string(hosts) + std::string(wording.many);
    default:
      return out;
  }
}

std::string title_of(const MessageFacts& facts, UtcTime now) {
  const bool over = facts.event == EventKind::recovered;
  const Wording* const wording = wording_of(over ? facts.about : facts.event);
  if (!wording) return std::string(event_name(facts.event));
  if (over) return names_of(facts) + std::string(wording->over);
  if (facts.incidents <= 1 || wording->many.empty()) return single_title(facts, *wording, now);
  const bool of_names = is_network_shaped(facts.event) ||
                        facts.event == EventKind::addresses_disagree ||
                        facts.event == EventKind::client_silent;
  const std::size_t hosts = facts.hosts.size() + facts.more_hosts;
  return std::to_string(of_names ? hosts : facts.incidents) + std::string(wording->many);
}

std::string text_of(const MessageFacts& facts, UtcTime now) {
  const bool over = facts.event == EventKind::recovered;
  const Wording* const wording = wording_of(over ? facts.about : facts.event);
  std::string out;
  if (wording && !over) out = wording->text;
  if (facts.begun_utc == 0 || facts.event == EventKind::renewed) return out;
  const std::string since =
      day_text(facts.begun_utc) + " (" + duration(now - facts.begun_utc) + " ago)";
  if (over) return "It had been so since " + since + '.';
  return out + "\nFirst seen " + since + '.';
}

}  // namespace

std::string_view severity_name(Severity severity) {
  constexpr std::array<std::string_view, 4> kNames = {"good", "notice", "warning", "critical"};
  return kNames.at(static_cast<std::size_t>(severity));
}

std::vector<std::vector<std::size_t>> group_incidents(std::span<const Incidents::value_type> told) {
  std::map<decltype(subject_group(IncidentKey{})), std::vector<std::size_t>> by_subject;
  for (std::size_t i = 0; i < told.size(); ++i) {
    by_subject[subject_group(told[i].first)].push_back(i);
  }
  std::map<std::pair<EventKind, std::uint8_t>, std::size_t> of_kind;
  for (const auto& [subject, places] : by_subject) {
    ++of_kind[kind_group(told[places.front()].first)];
  }
  std::vector<std::vector<std::size_t>> out;
  std::map<std::pair<EventKind, std::uint8_t>, std::size_t> merged;  // where in `out`
  for (auto& [subject, places] : by_subject) {
    const IncidentKey& key = told[places.front()].first;
    const auto kind = kind_group(key);
    if (!is_network_shaped(shape_of(key)) && of_kind[kind] <= kMessagesPerKind) {
      out.push_back(std::move(places));
      continue;
    }
    const auto [at, fresh] = merged.try_emplace(kind, out.size());
    if (fresh) out.emplace_back();
    auto& group = out[at->second];
    group.insert(group.end(), places.begin(), places.end());
  }
  const auto begun = [&](const std::vector<std::size_t>& group) {
    UtcTime first = told[group.front()].second.begun_utc;
    for (const std::size_t place : group) first = std::min(first, told[place].second.begun_utc);
    return first;
  };
  std::stable_sort(out.begin(), out.end(),
                   [&](const auto& a, const auto& b) { return begun(a) < begun(b); });
  return out;
}

Message compose(const MessageFacts& facts, UtcTime now) {
  Message out;
  out.event = facts.event;
  out.about = facts.event == EventKind::recovered ? facts.about : facts.event;
  out.severity = severity_of(facts, now);
  out.created_utc = now;
  out.title = title_of(facts, now);
  out.text = text_of(facts, now);
  if (facts.certificates.size() == 1) {
    const CertificateFacts& certificate = facts.certificates.front();
    out.certificate_sha256 = hex(certificate.sha256);
    out.subject = certificate.subject;
    out.issuer = certificate.issuer;
    out.not_after_utc = certificate.not_after_utc;
  }
  for (const HostFacts& host : facts.hosts) {
    if (!host.name.empty()) out.hosts.push_back(compose_host(facts.event, facts.about, host, now));
  }
  out.more_hosts = facts.more_hosts;
  return out;
}

Message compose_silence(const KeyTag& tag, const KeyRecord& key, UtcTime now) {
  MessageFacts facts;
  facts.event = EventKind::client_silent;
  Message out = compose(facts, now);
  out.title = "A client that used to report has gone silent: key " + hex(tag);
  out.text = "It was last seen on " + day_text(key.last_seen_utc) + ", " +
             duration(now - key.last_seen_utc) + " ago; until then it reported every " +
             duration(key.usual_gap_s) + ". " + counted(key.names, "name") +
             " were added with its key.\nOn its host: `systemctl list-timers; certbot renew "
             "--dry-run`";
  return out;
}

}  // namespace certline
