// The reading half of the service. Each read is one short transaction that looks up the key, the
// watch and the endpoint; the roll-up is already in the endpoint's record.
#include "daemon/service.hpp"

#include "inventory/rollup.hpp"
#include "pki/digest.hpp"

namespace certline::daemon {
namespace {

constexpr std::size_t kPageNames = 200;  // more than fit one reply

}  // namespace

Error unknown_key() {
  return {ErrorKind::key_unknown,
          "this API key is unknown here; register it with: command add domain D apikey K"};
}

Error unknown_name() {
  return {
      ErrorKind::not_registered,
      "this name is not watched with this key; register it with: command add domain D apikey K"};
}

Error only_administrators() {
  return {ErrorKind::refused,
          "only root and the daemon's own user may do this, on its Unix socket (line.socket)"};
}

SettingsPtr make_settings(Config config) {
  auto policy = config.scanner_settings().policy;
  static std::atomic<std::uint32_t> made{0};
  return std::make_shared<const Settings>(Settings{std::move(config), std::move(policy), ++made});
}

std::optional<KeyRecord> find_key(const store::ReadView& view, const Sha256& key_hash) {
  auto key = view.key(key_hash);
  if (key && !pki::equal_constant_time(key->digest, key_hash)) key.reset();
  return key;
}

Service::Service(ServiceParts parts)
    : parts_(std::move(parts)), started_utc_(parts_.clock()), answers_(parts_.remembered_answers) {}

Service::Read Service::read(const Request& request, const Caller& caller, const Settings& settings,
                            UtcTime received_utc) const {
  if (needs_administrator(request) && !caller.administrator) return {only_administrators(), {}};
  try {
    if (const auto* expiration = std::get_if<GetExpiration>(&request)) {
      return read_expiration(*expiration, settings, received_utc);
    }
    if (const auto* domains = std::get_if<ListDomains>(&request))
      return {read_domains(*domains), {}};
    if (const auto* addresses = std::get_if<ListAddresses>(&request)) {
      return {read_addresses(*addresses), {}};
    }
    if (std::holds_alternative<NewKey>(request)) {
      return {ReplyBody{KeyCreated{parts_.entropy.api_key()}}, {}};
    }
    if (const auto* help = std::get_if<Help>(&request)) return {ReplyBody{HelpText{help->on}}, {}};
    if (std::holds_alternative<GetStatus>(request)) return {read_status(), {}};
    return {ReplyBody{Pong{}}, {}};
  } catch (const store::CorruptValue& damage) {
    parts_.log.write_limited(LogLevel::error, "store_damaged", {{"what", damage.what()}});
    return {Error{ErrorKind::internal,
                  "a stored value is damaged; the operator should restore a backup"},
            {}};
  } catch (const store::StoreFailure& failure) {
    parts_.log.write_limited(LogLevel::error, "store_failed", {{"what", failure.what()}});
    return {Error{ErrorKind::unavailable, "the store cannot be read now; try again later"}, {}};
  }
}

const Service::Recalled* Service::recall(std::string_view domain, std::string_view key,
                                         const Settings& settings) const {
  const auto answer = answers_.find(domain, key);
  if (!answer || answer->rules != settings.generation || !parts_.store.unchanged(answer->stamp)) {
    return nullptr;
  }
  thread_local Recalled recalled;
  ExpirationReport& report = recalled.report;
  const UtcTime now = parts_.clock();
  report.domain = domain;
  report.problem = problem_name(answer->problem);
  report.trusted = answer->trusted;
  report.addresses = answer->addresses;
  report.last_scan_utc = answer->last_scan_utc;
  report.next_scan_utc = answer->next_scan_utc;
  set_dates(report, answer->certificate_found, answer->not_after_utc, answer->renewal_due_utc, now);
  recalled.basis = {answer->stamp, answer->rules, now,
                    dates_hold_until(answer->certificate_found, answer->not_after_utc,
                                     answer->renewal_due_utc, now)};
  return &recalled;
}

void Service::remember(const GetExpiration& request, const ExpirationReport& report,
                       const EndpointRecord& endpoint, const store::Stamp& stamp,
                       const Settings& settings) const {
  AnswerCache::Answer answer;
  answer.last_scan_utc = report.last_scan_utc;
  answer.next_scan_utc = report.next_scan_utc;
  answer.not_after_utc = endpoint.not_after_utc;
  answer.renewal_due_utc = endpoint.renewal_due_utc;
  answer.stamp = stamp;
  answer.rules = settings.generation;
  answer.addresses = report.addresses;
  answer.problem = endpoint.problem;
  answer.certificate_found = report.certificate_found;
  answer.trusted = report.trusted;
  answers_.keep(request.domain.input(), request.key.text(), answer);
}

Service::Read Service::read_expiration(const GetExpiration& request, const Settings& settings,
                                       UtcTime received_utc) const {
  const store::ReadView view = parts_.store.read();
  const Sha256 hash = pki::sha256(request.key.text());
  const auto key = find_key(view, hash);
  if (!key) return {unknown_key(), {}};
  const std::string canonical = request.domain.canonical();
  const auto watch = view.watch(key->account, canonical);
  if (!watch) return {unknown_name(), {}};
  const auto endpoint = view.endpoint(watch->endpoint);
  if (!endpoint) throw store::CorruptValue("a watch without its endpoint");

  const UtcTime now = parts_.clock();
  std::optional<EndpointId> wait_for;
  const bool fresh = endpoint->last_scan_utc != 0 && endpoint->last_scan_utc >= received_utc &&
                     endpoint->next_scan_utc > now;
  if (request.wait_s > 0 && !fresh) wait_for = endpoint->id;
  if (!request.ip) {
    auto said = report(request.domain.input(), *watch, *endpoint, now);
    const auto stamp = parts_.store.stamp(view, hash, key->account, canonical, watch->endpoint);
    if (stamp && said.detail.empty()) remember(request, said, *endpoint, *stamp, settings);
    return {ReplyBody{std::move(said)}, wait_for};
  }
  const auto address = view.address(endpoint->id, *request.ip);
  if (address) {
    return {ReplyBody{report_address(request.domain.input(), *watch, *endpoint, *address, now)},
            wait_for};
  }
  return {Error{ErrorKind::not_registered,
                request.ip->to_string() + " is not an address of this name; leave ip out to see "
                                          "what is known of it"},
          wait_for};
}

Reply Service::read_domains(const ListDomains& request) const {
  const store::ReadView view = parts_.store.read();
  const auto key = find_key(view, pki::sha256(request.key.text()));
  if (!key) return unknown_key();
  const std::string after = request.after ? request.after->canonical() : std::string();
  DomainPage page;
  for (auto& [name, watch] : view.watches(key->account, after, kPageNames + 1)) {
    if (page.names.size() == kPageNames) {
      page.more = true;
      break;
    }
    page.names.push_back(std::move(name));
  }
  return ReplyBody{std::move(page)};
}

Reply Service::read_addresses(const ListAddresses& request) const {
  const store::ReadView view = parts_.store.read();
  const auto key = find_key(view, pki::sha256(request.key.text()));
  if (!key) return unknown_key();
  const auto watch = view.watch(key->account, request.domain.canonical());
  if (!watch) return unknown_name();
  const auto endpoint = view.endpoint(watch->endpoint);
  if (!endpoint) throw store::CorruptValue("a watch without its endpoint");
  AddressPage page;
  for (const AddressRecord& address : view.addresses(endpoint->id)) {
    if (request.after && address.address <= *request.after) continue;
    const ExpirationReport said = report_address("", *watch, *endpoint, address, parts_.clock());
    page.rows.push_back({address.address, said.problem});
  }
  return ReplyBody{std::move(page)};
}

Reply Service::read_status() const {
  const store::Counts counts = parts_.store.read().counts();
  StatusReport status;
  status.version = parts_.version;
  status.uptime_s = parts_.clock() - started_utc_;
  status.accounts = counts.accounts;
  status.names = counts.watches;
  status.endpoints = counts.endpoints;
  status.certificates = counts.certificates;
  status.connections = parts_.gauges.connections.load(std::memory_order_relaxed);
  status.scans_in_flight = parts_.gauges.scans_in_flight.load(std::memory_order_relaxed);
  return ReplyBody{std::move(status)};
}

Error Service::commit_error(store::CommitOutcome outcome) const {
  if (outcome == store::CommitOutcome::full) {
    return {ErrorKind::store_full, "the store is full; the operator should raise store.map_size"};
  }
  if (outcome == store::CommitOutcome::panic && panic_) panic_();
  return {ErrorKind::unavailable,
          "the store could not save this; nothing was changed, try again later"};
}

}  // namespace certline::daemon
