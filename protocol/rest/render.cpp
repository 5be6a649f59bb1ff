// Writes replies as JSON. The routes of the KeyChest API keep the order of members, and the nulls,
// that they were documented with; our own routes are written alike. errors.cpp writes errors, next
// on the way.
#include "protocol/rest/answers.hpp"
#include "protocol/rest/json_writer.hpp"
#include "protocol/rest/routes.hpp"

namespace certline::rest {
namespace {

std::int64_t figure(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}

void write_address(JsonWriter& json, const AddressReport& address) {
  json.object().text("ip", address.ip.to_string());
  json.boolean("certificate_found", address.certificate_found);
  if (address.certificate_found) {
    json.key("certificate_sha256");
    if (address.certificate_sha256) {
      json.text(hex(*address.certificate_sha256));
    } else {
      json.null();
    }
    json.boolean("renewal_due", address.renewal_due).boolean("expired", address.expired);
    json.number("renewal_utc", address.renewal_utc);
  } else {
    for (const auto* const name : {"certificate_sha256", "renewal_due", "expired", "renewal_utc"}) {
      json.key(name).null();
    }
  }
  json.number("last_scan_utc", address.last_scan_utc).end_object();
}

// One overload per kind of reply that a route can give: appends the members of the one object.
struct Members {
  JsonWriter& json;
  const RestCall& call;

  void success() { json.text("status", "success"); }

  void operator()(const Claimed& r) {
    if (!r.created) return success();
    const auto& claim = std::get<ClaimKey>(call.request);
    json.text("status", "created").text("user", call.email);
    json.text("api_key", r.key.empty() && claim.key ? claim.key->text() : r.key);
  }
  void operator()(const Added& r) {
    success();
    json.text("id", r.id).text("key", r.key).text("domain", r.domain);
  }
  void operator()(const CertificateAdded& r) {
    success();
    json.text("id", r.id).text("key", r.key);
  }
  void operator()(const ExpirationReport& r) {
    json.text("domain", call.domain);
    if (!call.ip.empty()) json.text("ip", call.ip);
    if (call.has_request_id) json.text("request_id", call.request_id);
    json.boolean("certificate_found", r.certificate_found).boolean("renewal_due", r.renewal_due);
    json.boolean("expired_found", r.expired_found).key("results").array();
    for (const AddressReport& address : r.results) write_address(json, address);
    json.end_array();
    success();
  }
  void operator()(const UserName& r) { json.text_or_null("user", r.email); }
  void operator()(const DomainPage& r) {
    success();
    json.key("domains").array();
    for (const std::string& name : r.names) json.text(name);
    json.end_array().boolean("more", r.more);
  }
  void operator()(const AddressPage& r) {
    success();
    json.key("addresses").array();
    for (const AddressRow& row : r.rows) {
      json.object().text("ip", row.ip.to_string()).text("problem", row.problem).end_object();
    }
    json.end_array().boolean("more", r.more);
  }
  void operator()(const CheckResult& r) {
    named_success();
    json.text("state", check_state_name(r.state)).number("code", static_cast<int>(r.state));
    json.key("days_left");
    r.days_left ? json.number(*r.days_left) : json.null();
    json.text("problem", r.problem).text("text", check_line(r));
  }
  void operator()(const Removed&) { named_success(); }
  void operator()(const ScanStarted&) { named_success(); }
  void named_success() {
    success();
    json.text("domain", call.domain);
  }
  void operator()(const Confirmed& r) {
    success();
    json.text("purpose", purpose_name(r.purpose));
  }
  void operator()(const NotifyState& r) {
    success();
    json.text_or_null("address", r.address).text("mail", r.mail ? "on" : "off");
    json.text("digest", digest_name(r.digest));
  }
  void operator()(const StatusReport& r) {
    success();
    json.text("version", r.version).number("uptime_s", r.uptime_s);
    json.number("accounts", figure(r.accounts)).number("names", figure(r.names));
    json.number("endpoints", figure(r.endpoints)).number("certificates", figure(r.certificates));
    json.number("connections", figure(r.connections));
    json.number("scans_in_flight", figure(r.scans_in_flight));
  }
  // Of the commands that have no route.
  void operator()(const KeyCreated&) { success(); }
  void operator()(const Pong&) { success(); }
  void operator()(const HelpText&) { success(); }
  void operator()(const AccountPage&) { success(); }
  void operator()(const KeyPage&) { success(); }
  void operator()(const Changed&) { success(); }
  void operator()(const DeadLetterPage&) { success(); }
};

}  // namespace

HttpResponse render_rest(const RestCall& call, const Reply& reply) {
  const RestRow& row = rest_table()[call.route];
  HttpResponse response;
  if (!reply) {
    response = error_response(row, call, reply.error());
  } else if (row.errors == RestErrors::page) {
    response = token_outcome(row.purpose);
  } else {
    JsonWriter json(response.body);
    json.object();
    std::visit(Members{json, call}, *reply);
    json.end_object();
  }
  response.secret = row.command->name != "status";
  return response;
}

}  // namespace certline::rest
