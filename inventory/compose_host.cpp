// What a message says about one host: how many of its addresses are affected and which, what was
// found there and when, and what to do. A certificate that was seen earlier is shown with its age,
// so nobody takes it for the one that is there now. Next: advice.cpp and wording.cpp.
#include <algorithm>
#include <map>

#include "inventory/advice.hpp"
#include "inventory/compose.hpp"
#include "inventory/wording.hpp"

namespace certline {
namespace {

using Addresses = std::vector<const AddressRecord*>;
constexpr std::size_t kAddressesNamed = 4;

template <class Condition>
Addresses those(const HostFacts& facts, Condition condition) {
  Addresses out;
  for (const AddressRecord& address : facts.addresses) {
    if (condition(address)) out.push_back(&address);
  }
  return out;
}

std::vector<std::string> texts(const Addresses& addresses) {
  std::vector<std::string> out;
  for (const AddressRecord* address : addresses) out.push_back(address->address.to_string());
  return out;
}

Addresses serving(const HostFacts& facts, const Sha256& leaf) {
  return those(facts,
               [&](const AddressRecord& a) { return !a.chain.empty() && a.chain.front() == leaf; });
}

Addresses silent(const HostFacts& facts) {
  return those(facts, [](const AddressRecord& a) {
    return a.chain.empty() && a.state != ScanState::ok && a.state != ScanState::policy &&
           a.state != ScanState::pending && a.state != ScanState::client_certificate_required;
  });
}

const AddressRecord* gravest(const Addresses& addresses) {
  const auto at = std::max_element(
      addresses.begin(), addresses.end(),
      [](const auto* a, const auto* b) { return severity(a->state) < severity(b->state); });
  return at == addresses.end() ? nullptr : *at;
}

std::string reason(const AddressRecord& address) {
  return address.detail.empty() ? phrase(address.state) : address.detail;
}

// "2 of 3 addresses do not answer (192.0.2.7: connection refused)"
std::string silence_text(const HostFacts& facts) {
  const Addresses down = silent(facts);
  if (down.empty()) return "all addresses answer";
  std::vector<std::string> each;
  for (const AddressRecord* a : down) {
    each.push_back(a->address.to_string() + ": " + phrase(a->state));
  }
  const std::string named = " (" + joined(each, kAddressesNamed) + ')';
  const std::size_t of = facts.addresses.size();
  if (of == 1) return "does not answer" + named;
  return std::to_string(down.size()) + " of " + counted(of, "address") +
         (down.size() == 1 ? " does" : " do") + " not answer" + named;
}

std::string no_look_text(const HostFacts& facts) {
  if (!facts.endpoint) return "no look was possible";
  const EndpointRecord& endpoint = *facts.endpoint;
  return "no look was possible: " +
         (endpoint.detail.empty() ? phrase(endpoint.problem) : endpoint.detail);
}

bool no_look(const HostFacts& facts) {
  return facts.endpoint && (facts.endpoint->problem == ScanState::dns_error ||
                            facts.endpoint->problem == ScanState::no_address);
}

// Where no address shows the certificate now: when it was seen last, and why not now.
std::string as_of(const HostFacts& facts, UtcTime seen, UtcTime now) {
  const bool stale = no_look(facts);
  if (!stale && !serving(facts, facts.subject).empty()) return {};
  return "; as last seen " + duration(now - seen) + " ago, since when " +
         (stale ? no_look_text(facts) : silence_text(facts));
}

UtcTime last_certificate(const HostFacts& facts) {
  UtcTime seen = 0;
  for (const AddressRecord& a : facts.addresses) seen = std::max(seen, a.last_certificate_utc);
  if (seen == 0 && facts.endpoint) seen = facts.endpoint->last_scan_utc;
  return seen;
}

std::string served_by(const HostFacts& facts, const Addresses& by) {
  if (by.empty() || by.size() == facts.addresses.size()) return {};
  return ", served by " + joined(texts(by), kAddressesNamed);
}

std::string old_text(const HostFacts& facts, const Addresses& old) {
  const std::string all = counted(facts.addresses.size(), "address");
  if (old.empty()) return "the announced certificate was seen on none of " + all;
  return joined(texts(old), kAddressesNamed) +
         (old.size() == 1 ? " still serves" : " still serve") + " another certificate; " +
         std::to_string(serving(facts, facts.subject).size()) + " of " + all + " the announced one";
}

std::string disagreement_text(const HostFacts& facts) {
  std::map<Sha256, Addresses> by_leaf;
  for (const AddressRecord& a : facts.addresses) {
    if (!a.chain.empty()) by_leaf[a.chain.front()].push_back(&a);
  }
  std::vector<std::string> groups;
  for (const auto& [leaf, addresses] : by_leaf) {
    groups.push_back(joined(texts(addresses), kAddressesNamed) +
                     (addresses.size() == 1 ? " serves " : " serve ") + hex(leaf.data(), 4) +
                     "\u2026 (until " + day_text(addresses.front()->not_after_utc) + ')');
  }
  return groups.size() < 2 ? "all addresses serve the same certificate"
                           : joined(groups, kAddressesNamed);
}

Addresses objected(const HostFacts& facts) {
  const auto state = static_cast<ScanState>(facts.stage);
  return those(facts, [&](const AddressRecord& a) { return a.state == state; });
}

std::string verdict_text(const HostFacts& facts, const Addresses& by) {
  const std::string why =
      by.empty() ? phrase(static_cast<ScanState>(facts.stage)) : reason(*by.front());
  if (by.empty() || facts.addresses.size() == 1) return why;
  return std::to_string(by.size()) + " of " + counted(facts.addresses.size(), "address") + " (" +
         joined(texts(by), kAddressesNamed) + "): " + why;
}

std::string recovered_text(EventKind about, const HostFacts& facts, UtcTime now) {
  const std::string ends =
      facts.endpoint && facts.endpoint->not_after_utc != 0
          ? "; its certificate " + ends_text(facts.endpoint->not_after_utc, now)
          : std::string();
  if (about == EventKind::verdict) return "browsers accept its certificate" + ends;
  if (about == EventKind::addresses_disagree) return disagreement_text(facts) + ends;
  if (about == EventKind::old_certificate) return "the announced certificate is served" + ends;
  if (is_network_shaped(about)) return silence_text(facts) + ends;
  return "fine again" + ends;
}

struct Said {
  std::string state;
  Addresses about;
  UtcTime seen = 0;
  ScanState trouble = ScanState::ok;
  std::string detail;
};

Said say_dates(const HostFacts& facts, UtcTime now) {
  Said out;
  out.about = serving(facts, facts.subject);
  out.seen = last_certificate(facts);
  out.state = ends_text(facts.not_after_utc, now) + served_by(facts, out.about) +
              as_of(facts, out.seen, now);
  return out;
}

Said say_network(EventKind event, const HostFacts& facts) {
  Said out;
  const bool could_not = event == EventKind::could_not_check;
  out.about = silent(facts);
  out.state = could_not ? no_look_text(facts) : silence_text(facts);
  const AddressRecord* const worst = gravest(out.about);
  out.trouble =
      could_not ? static_cast<ScanState>(facts.stage) : (worst ? worst->state : ScanState::ok);
  if (worst) out.detail = worst->detail;
  return out;
}

Said say(EventKind event, EventKind about, const HostFacts& facts, UtcTime now) {
  if (event == EventKind::renewal_overdue || event == EventKind::expired) {
    return say_dates(facts, now);
  }
  if (is_network_shaped(event)) return say_network(event, facts);
  Said out;
  switch (event) {
    case EventKind::renewed:
      out.about = serving(facts, facts.subject);
      out.state = "serves it on " + (out.about.size() == facts.addresses.size()
                                         ? "all of " + counted(facts.addresses.size(), "address")
                                         : joined(texts(out.about), kAddressesNamed));
      break;
    case EventKind::old_certificate:
      out.about = those(facts, [&](const AddressRecord& a) {
        return !a.chain.empty() && a.chain.front() != facts.subject;
      });
      out.state = old_text(facts, out.about);
      break;
    case EventKind::verdict:
      out.about = objected(facts);
      out.state = verdict_text(facts, out.about);
      out.trouble = static_cast<ScanState>(facts.stage);
      if (!out.about.empty()) out.detail = out.about.front()->detail;
      break;
    case EventKind::addresses_disagree:
      out.about = those(facts, [](const AddressRecord& a) { return !a.chain.empty(); });
      out.state = disagreement_text(facts);
      break;
    case EventKind::recovered:
      out.state = recovered_text(about, facts, now);
      break;
    default:
      break;
  }
  return out;
}

}  // namespace

MessageHost compose_host(EventKind event, EventKind about, const HostFacts& facts, UtcTime now) {
  Said said = say(event, about, facts, now);
  MessageHost out;
  out.name = facts.name;
  out.state = std::move(said.state);
  out.addresses = texts(said.about);
  if (!facts.endpoint) return out;
  const EndpointRecord& endpoint = *facts.endpoint;
  out.seen_utc = said.seen != 0 ? said.seen : endpoint.last_scan_utc;
  out.advice = advice({event, said.trouble, endpoint.host, endpoint.port, endpoint.starttls,
                       std::move(said.detail)});
  return out;
}

}  // namespace certline
