// Names: add, remove, scan, and all names of a certificate. What a watch and its endpoint are is in
// watches.cpp.
#include <algorithm>

#include "daemon/notices/incidents.hpp"
#include "daemon/service/handlers.hpp"
#include "daemon/service/owners.hpp"
#include "daemon/service/refusals.hpp"
#include "daemon/service/watches.hpp"
#include "inventory/rollup.hpp"
#include "pki/certificate_summary.hpp"
#include "pki/digest.hpp"
#include "protocol/base64.hpp"

namespace certline::service {
namespace {

// Opens the wait for an announced leaf, unless every address serves it already.
void expect_leaf(WriteContext& context, AccountId account, const std::string& canonical,
                 WatchRecord& watch, EndpointRecord& endpoint, const Sha256& leaf) {
  if (watch.expected == leaf && watch.expected_met_utc != 0) return;
  if (watch.expected != leaf) {
    notices::drop_expectation(context.view, account, canonical, watch, context.now);
  }
  watch.expected = leaf;
  watch.expected_utc = context.now;
  const auto addresses = context.view.addresses.of(endpoint.id);
  watch.expected_met_utc = serves_everywhere(addresses, leaf) ? context.now : 0;
  if (watch.expected_met_utc != 0) {
    notices::drop_expectation(context.view, account, canonical, watch, context.now);
    return;
  }
  endpoint.expectation_open = true;
  endpoint.expectation_step = 0;
  endpoint.next_scan_utc = context.now;
  context.due_changed = true;
  context.view.endpoints.put(endpoint);
}

std::uint32_t quota_of(const WriteContext& context, const AccountRecord& account) {
  return account.names_per_key != 0 ? account.names_per_key
                                    : context.settings.config.accounts.names_per_key;
}

std::optional<Error> over_quota(const WriteContext& context, const Owner& owner, std::size_t more) {
  const std::uint32_t most = quota_of(context, owner.account);
  if (owner.key.names + more <= most) return std::nullopt;
  const std::string rule =
      owner.account.names_per_key != 0 ? "its account's quota" : "limits.names_per_key";
  std::string why = "this key watches " + std::to_string(owner.key.names) + " names, ";
  why += owner.key.names >= most ? "as many as " + rule + " allows"
                                 : "and " + rule + " allows " + std::to_string(most) + ": " +
                                       std::to_string(more) + " more don't fit";
  return Error{ErrorKind::too_many, why + "; remove some or add with another key"};
}

std::optional<Error> forbidden(const WriteContext& context, const Domain& domain) {
  if (!domain.ip()) return std::nullopt;
  const auto refusal = context.settings.policy->refusal(*domain.ip());
  if (!refusal) return std::nullopt;
  return Error{ErrorKind::refused, *refusal};
}

// Quota and room were looked at before.
WatchRecord new_watch(WriteContext& context, Owner& owner, const Domain& domain,
                      const std::optional<Starttls>& starttls) {
  WatchRecord watch;
  watch.id = context.random.uuid();
  watch.added_by = owner.key_hash;
  watch.created_utc = context.now;
  watch.trial_until_utc = trial_end(context, owner.account);
  const Starttls fallback = default_starttls(domain.port());
  watch.endpoint = attach_endpoint(context, domain, starttls.value_or(fallback)).id;
  ++owner.key.names;
  context.view.keys.put(owner.key_hash, owner.key);
  return watch;
}

WatchRecord watch_name(WriteContext& context, Owner& owner, const Domain& domain,
                       const std::optional<Starttls>& starttls,
                       const std::optional<Sha256>& expected) {
  const std::string canonical = domain.canonical();
  auto watch = context.view.watches.find(owner.account.id, canonical);
  bool begun = !watch;
  if (begun) watch = new_watch(context, owner, domain, starttls);
  if (watch->resting) {
    wake_watch(context, owner.account.id, canonical, *watch, trial_end(context, owner.account));
    watch = context.view.watches.find(owner.account.id, canonical);
  }
  auto endpoint = context.view.endpoints.find(watch->endpoint).value();
  if (starttls && *starttls != endpoint.starttls) {
    notices::release_watch(context.view, owner.account.id, canonical, *watch, context.now);
    detach_endpoint(context, *watch);
    begun = true;
    watch->expected_told = false;
    endpoint = attach_endpoint(context, domain, *starttls);
    watch->endpoint = endpoint.id;
  }
  if (expected) {
    expect_leaf(context, owner.account.id, canonical, *watch, endpoint, *expected);
  }
  context.view.watches.put(owner.account.id, canonical, *watch);
  if (begun) adopt(context, owner.account.id, canonical, *watch);
  return *watch;
}

// The names of a certificate that may be watched here, each once.
struct CertificateNames {
  std::vector<Domain> names;
  std::uint32_t refused = 0;
};

Result<CertificateNames> names_of(const WriteContext& context,
                                  const std::vector<std::uint8_t>& der) {
  const auto summary = pki::summarize(der);
  if (!summary.subject) {
    return Error{ErrorKind::invalid_value,
                 "this is no certificate: " + summary.subject.error().detail};
  }
  if (!summary.names) {
    return Error{ErrorKind::invalid_value,
                 "the certificate's names cannot be read: " + summary.names.error().detail};
  }
  std::vector<std::string> texts = summary.names->dns;
  for (const IpAddress& ip : summary.names->ip) texts.push_back(ip.to_string());
  CertificateNames out;
  Error last{ErrorKind::invalid_value, "the certificate names nothing that could be watched"};
  std::vector<std::string> seen;
  for (const std::string& text : texts) {
    auto domain = Domain::parse(text, context.settings.config.domain_rules());
    const auto refusal = domain ? forbidden(context, *domain) : std::optional(domain.error());
    if (refusal) {
      last = *refusal;
      ++out.refused;
      continue;
    }
    std::string canonical = domain->canonical();
    if (std::find(seen.begin(), seen.end(), canonical) != seen.end()) continue;
    seen.push_back(std::move(canonical));
    out.names.push_back(std::move(*domain));
  }
  if (out.names.empty()) return last;
  return out;
}

}  // namespace

Reply handle(WriteContext& context, const AddDomain& request) {
  const Domain& domain = request.domain;
  if (auto error = forbidden(context, domain)) return *error;
  auto known = known_owner(context, request.key);
  if (known && !*known) return known->error();
  const bool is_new =
      !known || !context.view.watches.find((*known)->account.id, domain.canonical()).has_value();
  if (is_new && full_for_new_names(context)) return store_full(context);
  if (is_new) {
    if (auto error = over_quota(context, known ? **known : Owner{}, 1)) return *error;
  }
  auto owner = known ? std::move(*known) : create_owner(context, request.key);
  if (!owner) return owner.error();
  const WatchRecord watch = watch_name(context, *owner, domain, request.starttls, request.expected);
  return ReplyBody{Added{runtime::uuid_text(watch.id), hex(pki::md5("DOMAIN:" + domain.input())),
                         domain.input()}};
}

Reply handle(WriteContext& context, const AddCertificate& request) {
  auto certificate = names_of(context, request.der);
  if (!certificate) return certificate.error();
  auto known = known_owner(context, request.key);
  if (known && !*known) return known->error();
  const Sha256 leaf = pki::sha256(request.der);
  std::size_t fresh = 0;
  bool anything = false;
  for (const Domain& name : certificate->names) {
    const auto watch =
        known ? context.view.watches.find((*known)->account.id, name.canonical()) : std::nullopt;
    if (!watch) ++fresh;
    if (!watch || watch->expected != leaf || watch->resting) anything = true;
  }
  if (!anything) {
    return Error{ErrorKind::conflict,
                 "already inserted: each of its names is watched, and this certificate expected"};
  }
  if (auto error = over_quota(context, known ? **known : Owner{}, fresh)) return *error;
  if (fresh > 0 && full_for_new_names(context)) return store_full(context);
  auto owner = known ? std::move(*known) : create_owner(context, request.key);
  if (!owner) return owner.error();
  for (const Domain& name : certificate->names) {
    watch_name(context, *owner, name, std::nullopt, leaf);
  }
  CertificateAdded added;
  Uuid id{};
  std::copy_n(leaf.begin(), id.size(), id.begin());
  added.id = runtime::uuid_text(runtime::as_uuid(id, 8));
  added.key = hex(pki::md5("CERT:" + encode_base64(request.der)));
  added.names = static_cast<std::uint32_t>(certificate->names.size());
  added.refused = certificate->refused;
  return ReplyBody{std::move(added)};
}

Reply handle(WriteContext& context, const RemoveDomain& request) {
  const auto owner = owner_of(context, request.key);
  if (!owner) return owner.error();
  const std::string canonical = request.domain.canonical();
  const auto watch = context.view.watches.find(owner->account.id, canonical);
  if (!watch) return unknown_name();
  notices::release_watch(context.view, owner->account.id, canonical, *watch, context.now);
  context.view.watches.remove(owner->account.id, canonical);
  detach_endpoint(context, *watch);
  give_back_name(context.view, watch->added_by);
  return ReplyBody{Removed{}};
}

Reply handle(WriteContext& context, const ScanDomain& request) {
  const auto owner = owner_of(context, request.key);
  if (!owner) return owner.error();
  const auto watch = context.view.watches.find(owner->account.id, request.domain.canonical());
  if (!watch) return unknown_name();
  if (watch->resting) {
    return Error{ErrorKind::refused,
                 "this name rests; add it again, or confirm the key with the mail"};
  }
  auto endpoint = context.view.endpoints.find(watch->endpoint).value();
  const UtcTime interval = context.settings.config.accounts.scan_interval_s;
  const UtcTime wait = endpoint.scan_requested_utc + interval - context.now;
  if (endpoint.scan_requested_utc != 0 && wait > 0 && wait <= interval) {
    return Error{ErrorKind::too_many, "this name was scanned on request a moment ago",
                 static_cast<std::uint32_t>(wait)};
  }
  endpoint.scan_requested_utc = context.now;
  endpoint.next_scan_utc = context.now;
  context.view.endpoints.put(endpoint);
  context.due_changed = true;
  return ReplyBody{ScanStarted{}};
}

}  // namespace certline::service
