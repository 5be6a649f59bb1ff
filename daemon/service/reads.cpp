// The reading half of the service. Each read is one short transaction that looks up the key, the
// watch and the endpoint; the roll-up is already in the endpoint's record.
#include "daemon/service/service.hpp"

#include <limits>
#include <mutex>
#include <set>

#include "daemon/runtime/version.hpp"
#include "daemon/service/administration.hpp"
#include "daemon/service/write_context.hpp"
#include "inventory/check.hpp"
#include "inventory/client_silence.hpp"
#include "inventory/renewal.hpp"
#include "inventory/rollup.hpp"
#include "pki/digest.hpp"

namespace certline::service {
namespace {

constexpr std::size_t kPageNames = 200;         // more than fit one reply
constexpr std::uint32_t kRefusalRows = 100;     // of the audit, an hour
constexpr std::size_t kReportsAtOnce = 10'000;  // that wait to be written down

// What is remembered is looked up anew once an hour, so that reports of clients are noticed.
static_assert(kHour <= kReportPeriod);
std::uint8_t hour_of(UtcTime now) {
  return static_cast<std::uint8_t>(now / kHour);
}

RecentAnswers::Basis basis_of(const store::Stamp& stamp, std::uint32_t rules, UtcTime now,
                              UtcTime dates_hold) {
  return {stamp, rules, now, std::min(dates_hold, (now / kHour + 1) * kHour)};
}

AddressReport report_of(const AddressRecord& address, UtcTime now) {
  AddressReport out;
  out.ip = address.address;
  out.last_scan_utc = address.last_scan_utc;
  if (address.chain.empty()) return out;
  out.certificate_found = true;
  out.certificate_sha256 = address.chain.front();
  if (address.not_after_utc == 0) return out;
  out.renewal_utc = address.not_after_utc;
  out.renewal_due = now >= renewal_due_from(address.not_before_utc, address.not_after_utc);
  out.expired = now >= address.not_after_utc;
  return out;
}

UtcTime address_holds_until(const AddressRecord& address, UtcTime now) {
  return dates_hold_until(!address.chain.empty(), address.not_after_utc,
                          renewal_due_from(address.not_before_utc, address.not_after_utc), now);
}

// The addresses asked about, each by itself; gives until when they say the same.
UtcTime add_results(ExpirationReport& report, const std::vector<AddressRecord>& addresses,
                    const std::optional<IpAddress>& only, UtcTime now) {
  UtcTime until = std::numeric_limits<UtcTime>::max();
  for (const AddressRecord& address : addresses) {
    if (only && address.address != *only) continue;
    report.results.push_back(report_of(address, now));
    until = std::min(until, address_holds_until(address, now));
  }
  return until;
}

void say_resting(ExpirationReport& report) {
  report.problem = "resting";
  report.detail =
      "not scanned: no matching certificate was seen in time; confirm the key with the mail that "
      "its claim sent, or add the name again";
}

}  // namespace

struct Service::Reports {
  std::mutex mutex;
  std::set<Sha256> keys;
};

namespace {

// A report is written down apart from the request that was one.
class ReportJob final : public store::WriteJob {
 public:
  ReportJob(const Sha256& key_hash, UtcTime now, std::function<void()> ended)
      : key_hash_(key_hash), now_(now), ended_(std::move(ended)) {}
  void apply(store::WriteView& view) override {
    if (auto key = find_key(view, key_hash_)) note_report_of(view, *key, now_);
  }
  void done(store::CommitOutcome) override { ended_(); }

 private:
  const Sha256 key_hash_;
  const UtcTime now_;
  const std::function<void()> ended_;
};

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

Error worthless_key(KeyState state) {
  if (state == KeyState::blocked) {
    return {ErrorKind::key_unknown, "this API key is blocked; ask the operator of this server"};
  }
  return {ErrorKind::key_unknown, "this API key was revoked; make a new one with: command apikey"};
}

std::optional<KeyRecord> find_key(const store::ReadView& view, const Sha256& key_hash) {
  auto key = view.key(key_hash);
  if (key && !pki::equal_constant_time(key->digest, key_hash)) key.reset();
  return key;
}

Result<KeyRecord> usable_key(const store::ReadView& view, const Sha256& key_hash) {
  auto key = find_key(view, key_hash);
  if (!key) return unknown_key();
  if (key->state != KeyState::active) return worthless_key(key->state);
  return std::move(*key);
}

Service::Service(const runtime::Parts& parts, std::size_t remembered_answers)
    : parts_(parts),
      started_utc_(parts_.clock()),
      answers_(remembered_answers),
      reports_(std::make_shared<Reports>()) {}

void Service::note_client(const Sha256& key_hash, const KeyRecord& key) const {
  const UtcTime now = parts_.clock();
  if (!is_report(key, now)) return;
  {
    const std::lock_guard lock(reports_->mutex);
    if (reports_->keys.size() >= kReportsAtOnce) return;
    if (!reports_->keys.insert(key_hash).second) return;
  }
  auto ended = [reports = reports_, key_hash] {
    const std::lock_guard lock(reports->mutex);
    reports->keys.erase(key_hash);
  };
  parts_.store.submit(std::make_unique<ReportJob>(key_hash, now, std::move(ended)));
}

std::optional<std::uint64_t> Service::take_refusal_row(UtcTime now) const {
  if (now / kHour != refusals_.hour) {
    refusals_.hour = now / kHour;
    refusals_.rows = 0;
  }
  if (refusals_.rows >= kRefusalRows) {
    ++refusals_.left_out;
    return std::nullopt;
  }
  ++refusals_.rows;
  return std::exchange(refusals_.left_out, 0);
}

Service::Read Service::read(const Request& request, const Caller& caller,
                            const runtime::Settings& settings, UtcTime received_utc) const {
  if (needs_administrator(request) && !caller.administrator) return {only_administrators(), {}, {}};
  try {
    return read_any(request, settings, received_utc);
  } catch (const store::CorruptValue& damage) {
    parts_.log.write_limited(runtime::LogLevel::error, "store_damaged", {{"what", damage.what()}});
    return {Error{ErrorKind::internal,
                  "a stored value is damaged; the operator should restore a backup"},
            {},
            {}};
  } catch (const store::StoreFailure& failure) {
    parts_.log.write_limited(runtime::LogLevel::error, "store_failed", {{"what", failure.what()}});
    return {Error{ErrorKind::unavailable, "the store cannot be read now; try again later"}, {}, {}};
  }
}

Service::Read Service::read_any(const Request& request, const runtime::Settings& settings,
                                UtcTime received_utc) const {
  const auto answered = [](Reply reply) { return Read{std::move(reply), {}, {}}; };
  const auto now = [this] { return parts_.store.read(); };
  if (const auto* expiration = std::get_if<GetExpiration>(&request)) {
    return read_expiration(*expiration, settings, received_utc);
  }
  if (const auto* domains = std::get_if<ListDomains>(&request)) {
    return answered(read_domains(*domains));
  }
  if (const auto* addresses = std::get_if<ListAddresses>(&request)) {
    return answered(read_addresses(*addresses));
  }
  if (const auto* check = std::get_if<CheckDomain>(&request)) {
    return answered(read_check(*check));
  }
  if (const auto* user = std::get_if<GetUser>(&request)) return answered(read_user(*user));
  if (std::holds_alternative<NewKey>(request)) {
    return answered(ReplyBody{KeyCreated{parts_.entropy.api_key()}});
  }
  if (const auto* help = std::get_if<Help>(&request))
    return answered(ReplyBody{HelpText{help->on}});
  if (std::holds_alternative<GetStatus>(request)) return answered(read_status());
  if (const auto* accounts = std::get_if<ListAccounts>(&request)) {
    return answered(read_accounts(now(), *accounts, settings.config));
  }
  if (const auto* keys = std::get_if<ListKeys>(&request)) return answered(read_keys(now(), *keys));
  if (const auto* letters = std::get_if<ListDeadLetters>(&request)) {
    return answered(read_dead_letters(now(), *letters));
  }
  return answered(ReplyBody{Pong{}});
}

const Service::Recalled* Service::recall(std::string_view domain, std::string_view key,
                                         const runtime::Settings& settings) const {
  const auto answer = answers_.find(domain, key);
  const UtcTime now = parts_.clock();
  if (!answer || answer->rules != settings.generation || answer->hour != hour_of(now) ||
      !parts_.store.unchanged(answer->stamp)) {
    return nullptr;
  }
  thread_local Recalled recalled;
  ExpirationReport& report = recalled.report;
  report.domain = domain;
  report.problem = problem_name(answer->problem);
  report.trusted = answer->trusted;
  report.addresses = answer->addresses;
  report.last_scan_utc = answer->last_scan_utc;
  report.next_scan_utc = answer->next_scan_utc;
  set_dates(report, answer->certificate_found, answer->not_after_utc, answer->renewal_due_utc, now);
  recalled.basis = basis_of(answer->stamp, answer->rules, now,
                            dates_hold_until(answer->certificate_found, answer->not_after_utc,
                                             answer->renewal_due_utc, now));
  return &recalled;
}

void Service::remember(const GetExpiration& request, const ExpirationReport& report,
                       const EndpointRecord& endpoint, const store::Stamp& stamp,
                       const runtime::Settings& settings) const {
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
  answer.hour = hour_of(parts_.clock());
  answers_.keep(request.domain.input(), request.key.text(), answer);
}

// Where one address was asked for: what is known of it alone. Nothing where the name doesn't have
// it.
std::optional<ExpirationReport> Service::report_one(const store::ReadView& view,
                                                    const GetExpiration& request,
                                                    const WatchRecord& watch,
                                                    const EndpointRecord& endpoint) const {
  const UtcTime now = parts_.clock();
  const std::string& domain = request.domain.input();
  const auto address = view.address(endpoint.id, *request.ip);
  if (address) return report_address(domain, watch, endpoint, *address, now);
  if (!request.each_address) return std::nullopt;
  ExpirationReport none = report(domain, watch, endpoint, now);  // of no address: no certificate
  set_dates(none, false, 0, 0, now);
  none.trusted = false;
  none.addresses = 0;
  return none;
}

Service::Read Service::read_expiration(const GetExpiration& request,
                                       const runtime::Settings& settings,
                                       UtcTime received_utc) const {
  const store::ReadView view = parts_.store.read();
  const Sha256 hash = pki::sha256(request.key.text());
  const auto key = usable_key(view, hash);
  if (!key) return {key.error(), {}, {}};
  const std::string canonical = request.domain.canonical();
  const auto watch = view.watch(key->account, canonical);
  if (!watch) return {unknown_name(), {}, {}};
  const auto endpoint = view.endpoint(watch->endpoint);
  if (!endpoint) throw store::CorruptValue("a watch without its endpoint");

  const UtcTime now = parts_.clock();
  Read read{Error{}, {}, {}};
  const bool fresh = endpoint->last_scan_utc != 0 && endpoint->last_scan_utc >= received_utc &&
                     endpoint->next_scan_utc > now;
  if (request.wait_s > 0 && !fresh && !watch->resting) read.wait_for = endpoint->id;
  auto said = request.ip ? report_one(view, request, *watch, *endpoint)
                         : report(request.domain.input(), *watch, *endpoint, now);
  if (!said) {
    read.reply = Error{ErrorKind::not_registered,
                       request.ip->to_string() +
                           " is not an address of this name; leave ip out to see what is known of "
                           "it"};
    return read;
  }
  UtcTime until = dates_hold_until(endpoint->certificate_found, endpoint->not_after_utc,
                                   endpoint->renewal_due_utc, now);
  if (request.each_address || request.ip) {
    const auto addresses = view.addresses(endpoint->id);
    ExpirationReport each;
    until = std::min(until, add_results(each, addresses, request.ip, now));
    if (request.each_address) said->results = std::move(each.results);
  }
  if (watch->resting) say_resting(*said);
  const auto stamp = parts_.store.stamp(view, hash, key->account, canonical, watch->endpoint);
  if (stamp) {
    read.basis = basis_of(*stamp, settings.generation, now, until);
    if (!request.ip && said->detail.empty()) {
      remember(request, *said, *endpoint, *stamp, settings);
    }
  }
  note_client(hash, *key);
  read.reply = ReplyBody{std::move(*said)};
  return read;
}

Reply Service::read_domains(const ListDomains& request) const {
  const store::ReadView view = parts_.store.read();
  const Sha256 hash = pki::sha256(request.key.text());
  const auto key = usable_key(view, hash);
  if (!key) return key.error();
  note_client(hash, *key);
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

Result<Service::Watched> Service::find_watched(const store::ReadView& view, const Domain& domain,
                                               const ApiKey& api_key) const {
  const Sha256 hash = pki::sha256(api_key.text());
  const auto key = usable_key(view, hash);
  if (!key) return key.error();
  note_client(hash, *key);
  auto watch = view.watch(key->account, domain.canonical());
  if (!watch) return unknown_name();
  auto endpoint = view.endpoint(watch->endpoint);
  if (!endpoint) throw store::CorruptValue("a watch without its endpoint");
  return Watched{std::move(*watch), std::move(*endpoint)};
}

Reply Service::read_addresses(const ListAddresses& request) const {
  const store::ReadView view = parts_.store.read();
  const auto found = find_watched(view, request.domain, request.key);
  if (!found) return found.error();
  AddressPage page;
  for (const AddressRecord& address : view.addresses(found->endpoint.id)) {
    if (request.after && address.address <= *request.after) continue;
    const ExpirationReport said =
        report_address("", found->watch, found->endpoint, address, parts_.clock());
    page.rows.push_back({address.address, said.problem});
  }
  return ReplyBody{std::move(page)};
}

Reply Service::read_check(const CheckDomain& request) const {
  const store::ReadView view = parts_.store.read();
  const auto found = find_watched(view, request.domain, request.key);
  if (!found) return found.error();
  const UtcTime now = parts_.clock();
  const ExpirationReport said = report(request.domain.input(), found->watch, found->endpoint, now);
  return ReplyBody{check(said, found->endpoint.renewal_due_utc, now)};
}

Reply Service::read_user(const GetUser& request) const {
  const store::ReadView view = parts_.store.read();
  const Sha256 hash = pki::sha256(request.key.text());
  const auto key = usable_key(view, hash);
  if (!key) return key.error();
  note_client(hash, *key);
  const AccountRecord account = load_account(view, key->account);
  return ReplyBody{UserName{account.email.empty() ? account.claimed_email : account.email}};
}

Reply Service::read_status() const {
  const store::Counts counts = parts_.store.read().counts();
  StatusReport status;
  status.version = runtime::kVersion;
  status.uptime_s = parts_.clock() - started_utc_;
  status.accounts = counts.accounts;
  status.names = counts.watches;
  status.endpoints = counts.endpoints;
  status.certificates = counts.certificates;
  status.connections = parts_.gauges.connections.load(std::memory_order_relaxed);
  status.scans_in_flight = parts_.gauges.scans_in_flight.load(std::memory_order_relaxed);
  return ReplyBody{std::move(status)};
}

}  // namespace certline::service
