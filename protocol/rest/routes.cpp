// The routes themselves. Whatever lists them (routing, the OpenAPI document, REST.md) reads it from
// here, and what a route does from its command's row.
#include <array>

#include "protocol/rest/routes.hpp"

namespace certline::rest {
namespace {

using enum HttpMethod;
using Place = RestPlace;

constexpr std::array kEmailInPath{
    RestField{"email", "email", Place::path, Need::required},
};
constexpr std::array kClaimFields{
    RestField{"email", "email", Place::input, Need::required},
    RestField{"api_key", "apikey", Place::input, Need::required},
};
constexpr std::array kCertificateFields{
    RestField{"certificate", "der", Place::input, Need::required},
};
constexpr std::array kAddFields{
    RestField{"domain", "domain", Place::input, Need::required},
    RestField{"starttls", "starttls", Place::input, Need::optional},
    RestField{"sha256", "sha256", Place::input, Need::optional},
};
constexpr std::array kExpirationFields{
    RestField{"domain", "domain", Place::path, Need::required},
    RestField{"ip", "ip", Place::query, Need::optional},
    RestField{"request_id", "", Place::query, Need::optional},
    RestField{"wait", "wait", Place::query, Need::optional},
};
constexpr std::array kAfter{
    RestField{"after", "after", Place::query, Need::optional},
};
constexpr std::array kDomainInPath{
    RestField{"domain", "domain", Place::path, Need::required},
};
constexpr std::array kAddressesFields{
    RestField{"domain", "domain", Place::path, Need::required},
    RestField{"after", "after", Place::query, Need::optional},
};
constexpr std::array kDomainInput{
    RestField{"domain", "domain", Place::input, Need::required},
};
constexpr std::array kNotifyFields{
    RestField{"mail", "mail", Place::input, Need::optional},
    RestField{"digest", "digest", Place::input, Need::optional},
};
constexpr std::array kTokenInput{
    RestField{"token", "token", Place::input, Need::required},
};
constexpr std::array kTokenInPath{
    RestField{"token", "token", Place::path, Need::required},
};

constexpr std::string_view kPageSummary = "a page with a button that posts to the same address";

constexpr RestRow page(std::string_view path) {
  return {get, path, "", kPageSummary, RestErrors::page, kTokenInPath};
}
constexpr RestRow act(std::string_view path, std::string_view summary) {
  return {post, path, "confirm", summary, RestErrors::page, kTokenInPath};
}

constexpr std::array kRoutes{
    RestRow{get, "/api/ping", "", "answers"},
    RestRow{get, "/api/status", "status"},
    RestRow{get, "/api/openapi.json", "", "this API as an OpenAPI 3.1 document"},
    RestRow{get, "/api/v1.0/", "", "tells where the documentation is; any method"},
    RestRow{get, "/api/v1.0/access/claim/{email}", "claim",
            "makes a key and puts it under an e-mail address", RestErrors::claim, kEmailInPath},
    RestRow{post, "/api/v1.0/access/claim", "claim",
            "puts the client's key under an e-mail address", RestErrors::claim, kClaimFields},
    RestRow{get, "/api/v1.0/user", "user", "", RestErrors::plain, {}, true},
    RestRow{post, "/api/v1.0/certificate/add", "certificate", "", RestErrors::certificate,
            kCertificateFields, true},
    RestRow{post, "/api/v1.0/servers/add", "add", "", RestErrors::add, kAddFields, true},
    RestRow{get, "/api/v1.0/servers/expiration/{domain}", "expiration", "", RestErrors::expiration,
            kExpirationFields, true},
    RestRow{get, "/api/v1.0/servers", "domains", "", RestErrors::plain, kAfter, true},
    RestRow{del, "/api/v1.0/servers/{domain}", "remove", "", RestErrors::expiration, kDomainInPath,
            true},
    RestRow{post, "/api/v1.0/servers/scan", "scan", "", RestErrors::expiration, kDomainInput, true},
    RestRow{get, "/api/v1.0/servers/addresses/{domain}", "addresses", "", RestErrors::expiration,
            kAddressesFields, true},
    RestRow{get, "/api/v1.0/servers/check/{domain}", "check", "", RestErrors::expiration,
            kDomainInPath, true},
    RestRow{get,
            "/api/v1.0/notify",
            "notify",
            "tells what is mailed to the key's account",
            RestErrors::plain,
            {},
            true},
    RestRow{post, "/api/v1.0/notify", "notify", "", RestErrors::plain, kNotifyFields, true},
    RestRow{post, "/api/v1.0/confirm", "confirm", "", RestErrors::plain, kTokenInput},
    page("/confirm/{token}"),
    act("/confirm/{token}", "confirms an e-mail address and the key claimed for it"),
    page("/revoke/{token}"),
    act("/revoke/{token}", "makes the key worthless that was claimed"),
    page("/block-keys/{token}"),
    act("/block-keys/{token}", "refuses further keys that nobody asked for"),
    page("/block-account/{token}"),
    act("/block-account/{token}", "shuts out the account and its keys"),
    page("/unsubscribe/{token}"),
    act("/unsubscribe/{token}", "ends mail to the address (RFC 8058)"),
};

void append_fields(std::string& out, const RestRow& row) {
  bool first = true;
  for (const RestField& field : row.fields) {
    if (field.place == RestPlace::path) continue;
    out += first ? "`" : ", `";
    out += field.name;
    out += field.need == Need::optional ? "`?" : "`";
    first = false;
  }
  if (first) out += "none";
}

}  // namespace

std::span<const RestRow> rest_table() {
  return kRoutes;
}

std::string_view summary_of(const RestRow& row) {
  return row.summary.empty() ? find_command(row.command)->summary : row.summary;
}

std::string routes_markdown() {
  std::string out =
      "| route | fields | key | what it does | command |\n| --- | --- | --- | --- | --- |\n";
  for (const RestRow& row : kRoutes) {
    out += "| `";
    out += method_name(row.method);
    out += ' ';
    out += row.path;
    out += "` | ";
    append_fields(out, row);
    out += row.keyed ? " | yes | " : " | no | ";
    out += summary_of(row);
    if (row.command.empty()) {
      out += " | none |\n";
      continue;
    }
    out += " | `";
    out += row.command;
    out += "` |\n";
  }
  return out;
}

}  // namespace certline::rest
