// Prints records as JSON, one object a line, for scripts and for `admin export`. A key appears as
// its tag and a token as its purpose: the store knows only their hashes.
#include <boost/json.hpp>
#include <limits>
#include <ostream>

#include "daemon/commands/admin_command.hpp"
#include "daemon/runtime/entropy.hpp"
#include "daemon/service/account_rows.hpp"
#include "inventory/rollup.hpp"
#include "protocol/utc_text.hpp"

namespace certline::commands {
namespace {

namespace json = boost::json;

std::string source_text(const IpAddress& source) {
  return source == IpAddress{} ? std::string() : source.to_string();
}

json::object account_object(const store::ReadView& view, const AccountRecord& account,
                            const runtime::Config& config) {
  const AccountRow row = service::account_row(view, account, config);
  return {{"account", account.id},
          {"email", account.email},
          {"claimed_email", account.claimed_email},
          {"state", row.state},
          {"created_utc", account.created_utc},
          {"verified_utc", account.verified_utc},
          {"blocked_utc", account.blocked_utc},
          {"no_further_keys", account.no_further_keys},
          {"keys", row.keys},
          {"names", row.names},
          {"quota", row.quota},
          {"mail", !account.mail_off},
          {"digest", digest_name(account.digest.value_or(config.notify.digest))},
          {"digest_utc", account.digest_utc},
          {"mailed_utc", account.mailed_utc}};
}

json::object key_object(const KeyTag& tag, const KeyRecord& key) {
  const KeyRow row = service::key_row(tag, key);
  return {{"key", hex(tag)},
          {"state", row.state},
          {"names", key.names},
          {"source", source_text(key.source)},
          {"created_utc", key.created_utc},
          {"confirmed_utc", key.confirmed_utc},
          {"last_seen_utc", key.last_seen_utc},
          {"reports", key.reports},
          {"usual_gap_s", key.usual_gap_s}};
}

json::array seen_at(const store::ReadView& view, EndpointId endpoint) {
  json::array seen;
  for (const AddressRecord& address : view.addresses.of(endpoint)) {
    seen.push_back(json::object{
        {"address", address.address.to_string()},
        {"state", scan_state_name(address.state)},
        {"detail", address.detail},
        {"certificate_sha256", address.chain.empty() ? "" : hex(address.chain.front())},
        {"not_after_utc", address.not_after_utc},
        {"last_scan_utc", address.last_scan_utc}});
  }
  return seen;
}

json::object name_object(const store::ReadView& view, const std::string& name,
                         const WatchRecord& watch) {
  json::object out{{"record", "name"},
                   {"name", name},
                   {"id", runtime::uuid_text(watch.id)},
                   {"added_by", hex(watch.added_by.data(), KeyTag{}.size())},
                   {"created_utc", watch.created_utc},
                   {"expected_sha256", watch.expected ? hex(*watch.expected) : std::string()},
                   {"expected_utc", watch.expected_utc},
                   {"expected_met_utc", watch.expected_met_utc},
                   {"trial_until_utc", watch.trial_until_utc},
                   {"resting", watch.resting}};
  if (const auto endpoint = view.endpoints.find(watch.endpoint)) {
    out["starttls"] = starttls_name(endpoint->starttls);
    out["problem"] = problem_name(endpoint->problem);
    out["last_scan_utc"] = endpoint->last_scan_utc;
    out["next_scan_utc"] = endpoint->next_scan_utc;
    out["addresses"] = seen_at(view, endpoint->id);
  }
  return out;
}

json::object incident_object(const IncidentKey& key, const IncidentRecord& incident) {
  json::array hosts;
  for (const IncidentHost& host : incident.hosts) {
    hosts.push_back(json::object{{"name", host.name}, {"over", host.over}});
  }
  return {{"record", "incident"},
          {"event", event_name(key.event)},
          {"subject", hex(key.subject)},
          {"stage", key.stage},
          {"begun_utc", incident.begun_utc},
          {"told_utc", incident.told_utc},
          {"hosts", std::move(hosts)},
          {"more_hosts", incident.more_hosts}};
}

json::object delivery_object(const DeliveryRecord& delivery) {
  const DeadLetterRow row = service::dead_letter_row(delivery);
  return {{"id", delivery.id},
          {"channel", delivery.channel},
          {"to", delivery.to},
          {"account", delivery.account},
          {"event", row.event},
          {"created_utc", delivery.created_utc},
          {"attempts", delivery.attempts},
          {"next_utc", delivery.next_utc},
          {"dead", delivery.dead},
          {"reason", row.reason}};
}

json::object audit_object(std::uint64_t number, const AuditRecord& record) {
  return {{"id", number},
          {"at_utc", record.at_utc},
          {"at", time_text(record.at_utc)},
          {"actor", record.actor},
          {"source", source_text(record.source)},
          {"action", record.action},
          {"account", record.account},
          {"subject", record.subject},
          {"detail", record.detail}};
}

void write_line(std::ostream& out, std::string_view record, json::object fields) {
  json::object line{{"record", record}};
  for (auto& [name, value] : fields) line[name] = std::move(value);
  out << json::serialize(line) << '\n';
}

bool concerns(const AccountRecord& account, const std::string& email) {
  return !email.empty() && (email == account.email || email == account.claimed_email);
}

void export_messages(const store::ReadView& view, const AccountRecord& account, std::ostream& out) {
  for (const auto& [key, incident] : view.incidents.of(account.id)) {
    out << json::serialize(incident_object(key, incident)) << '\n';
  }
  for (const DeliveryRecord& delivery : view.deliveries.all()) {
    if (delivery.account != account.id && !concerns(account, delivery.to)) continue;
    write_line(out, "delivery", delivery_object(delivery));
  }
}

// A token is found by the alarm at its end.
void export_tokens(const store::ReadView& view, const AccountRecord& account, std::ostream& out) {
  for (const Alarm& alarm : view.alarms.until(std::numeric_limits<UtcTime>::max())) {
    if (alarm.kind != AlarmKind::forget_token || alarm.about.size() != KeyTag{}.size()) continue;
    Sha256 hash{};
    std::copy(alarm.about.begin(), alarm.about.end(), hash.begin());
    const auto token = view.tokens.find(hash);
    if (!token || !concerns(account, token->email)) continue;
    write_line(out, "token",
               {{"purpose", purpose_name(token->purpose)},
                {"email", token->email},
                {"key", hex(token->key)},
                {"created_utc", token->created_utc},
                {"expires_utc", token->expires_utc},
                {"used_utc", token->used_utc}});
  }
}

void export_audit(const store::ReadView& view, const AccountRecord& account, std::ostream& out) {
  for (const auto& [number, record] : view.audit.all()) {
    if (record.account != account.id && !concerns(account, record.subject)) continue;
    write_line(out, "audit", audit_object(number, record));
  }
}

}  // namespace

std::string time_text(UtcTime at) {
  return at == 0 ? "-" : iso_utc_text(at);
}

std::string account_json(const store::ReadView& view, const AccountRecord& account,
                         const runtime::Config& config) {
  return json::serialize(account_object(view, account, config));
}

std::string key_json(const KeyTag& tag, const KeyRecord& key) {
  return json::serialize(key_object(tag, key));
}

std::string audit_json(std::uint64_t number, const AuditRecord& record) {
  return json::serialize(audit_object(number, record));
}

std::string dead_letter_json(const DeliveryRecord& delivery) {
  return json::serialize(delivery_object(delivery));
}

void export_account(const store::ReadView& view, const AccountRecord& account,
                    const runtime::Config& config, std::ostream& out) {
  write_line(out, "account", account_object(view, account, config));
  for (const auto& [tag, key] : view.keys.of(account.id)) {
    write_line(out, "key", key_object(tag, key));
  }
  std::string after;
  for (const auto& [name, watch] : view.watches.of(account.id)) {
    out << json::serialize(name_object(view, name, watch)) << '\n';
  }
  export_messages(view, account, out);
  export_tokens(view, account, out);
  export_audit(view, account, out);
}

}  // namespace certline::commands
