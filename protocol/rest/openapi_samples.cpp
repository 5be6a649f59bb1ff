// Sample requests and replies for the OpenAPI document. They go through the parser and the renderer
// of real requests, so the document shows what a client gets.
#include "protocol/rest/openapi_samples.hpp"

#include <algorithm>
#include <array>

#include "protocol/rest/answers.hpp"
#include "protocol/rest/json_writer.hpp"

namespace certline::rest {
namespace {

constexpr std::string_view kSampleKey = "5b9b6aceb95011e7bb9f7fca73a26228";
constexpr std::string_view kSampleId = "671d1b10-bb1d-11e7-bae1-571d93cf1c53";
constexpr std::string_view kSampleCertificate =
    "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUAAAA\n-----END CERTIFICATE-----\n";
constexpr std::string_view kSampleDigest =
    "1aa7cda60ba61810321bedc4793fadc80f7ca6a3e328d484b0d5eb8a9ef230de";

constexpr std::array kForms{
    FieldForm{"api_key", R"({"type":"string","pattern":"^[A-Za-z0-9-]{16,64}$"})", "The API key.",
              kSampleKey},
    FieldForm{"email", R"({"type":"string","format":"email","maxLength":254})",
              "The address of the account.", "admin@example.org"},
    FieldForm{"domain", R"({"type":"string","minLength":3,"maxLength":512})",
              "A name, name:port, address or URL.", "fish.example.org"},
    FieldForm{"after", R"({"type":"string","maxLength":512})", "The last one of the page before.",
              "2001:db8::1"},
    FieldForm{"starttls",
              R"({"type":"string","enum":["none","smtp","imap","pop3","ftp","ldap","xmpp-client",)"
              R"("xmpp-server","postgres","mysql","sieve","nntp"]})",
              "How TLS begins; by the port where it is left out.", "none"},
    FieldForm{"sha256", R"({"type":"string","pattern":"^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$"})",
              "SHA-256 of the certificate that should be served.", kSampleDigest},
    FieldForm{"certificate", R"({"type":"string","minLength":24})",
              "One certificate as PEM, or its base64 alone.", kSampleCertificate},
    FieldForm{"ip", R"({"type":"string","anyOf":[{"format":"ipv4"},{"format":"ipv6"}]})",
              "Only this address of the name.", "192.0.2.131"},
    FieldForm{"request_id", R"({"type":"string","maxLength":64})", "Comes back in the answer.",
              "renewal-17"},
    FieldForm{"wait", R"({"type":"integer","minimum":0,"maximum":30})",
              "Seconds to wait for a scan that is due or under way.", "30"},
    FieldForm{"token", R"({"type":"string","pattern":"^[0-9a-f]{16}[.-][0-9a-f]{32}$"})",
              "The token of a mail.", "0123456789abcdef.0123456789abcdef0123456789abcdef"},
    FieldForm{"mail", R"({"type":"string","enum":["on","off"]})", "Whether mail is sent.", "on"},
    FieldForm{"digest", R"({"type":"string","enum":["off","daily","weekly"]})",
              "How often a summary is sent.", "weekly"},
};

struct MemberText {
  std::string_view name, description;
};
constexpr std::array kMembers{
    MemberText{"renewal_due", "Some certificate should be renewed now."},
    MemberText{"renewal_utc", "End of the certificate (notAfter), Unix seconds."},
    MemberText{"last_scan_utc", "End of the address's latest scan, Unix seconds."},
    MemberText{"certificate_sha256", "SHA-256 of the leaf, lower-case hex."},
    MemberText{"results", "One entry per address of the name."},
    MemberText{"key", "MD5 that stands for the name or certificate; no secret."},
    MemberText{"id", "UUID of what is watched; the same each time."},
    MemberText{"more", "Further ones follow; ask with `after` the last of these."},
    MemberText{"problem", "What is wrong with the address; `none` when all is well."},
    MemberText{"purpose", "What the token was for."},
    MemberText{"address", "Where mail goes; null: no address is known."},
    MemberText{"user", "The address that the key was claimed for; null: it never was."},
};

AddressReport sample_address(bool found) {
  AddressReport address;
  address.ip = *IpAddress::parse(found ? "192.0.2.131" : "2001:db8::131");
  address.certificate_found = found;
  if (found) address.certificate_sha256 = *parse_sha256(kSampleDigest);
  address.renewal_due = found;
  address.renewal_utc = found ? 1'510'216'500 : 0;
  address.last_scan_utc = found ? 1'509'099'907 : 1'509'094'412;
  return address;
}

ExpirationReport sample_report() {
  ExpirationReport report;
  report.domain = "fish.example.org";
  report.certificate_found = report.renewal_due = true;
  report.results = {sample_address(false), sample_address(true)};
  return report;
}

StatusReport sample_status() {
  return {.version = "1.0",
          .uptime_s = 86'400,
          .accounts = 3,
          .names = 40,
          .endpoints = 38,
          .certificates = 52,
          .connections = 2,
          .scans_in_flight = 1};
}

// What routes answer when all goes well. A kind of reply that has no members worth showing needs
// none.
std::vector<ReplyBody> sample_replies() {
  const std::string id(kSampleId), key(kSampleKey);
  return {
      sample_status(),
      Claimed{true, false, "admin@example.org", key},
      Claimed{},
      UserName{"admin@example.org"},
      UserName{},
      CertificateAdded{id, "da70d5e4864f57e910e66bd21c685b26", 2},
      Added{id, "690151a98783df712e28eed9d440d55b", "fish.example.org"},
      sample_report(),
      DomainPage{{"fish.example.org", "mail.example.org:25"}, false},
      AddressPage{{{sample_address(true).ip, "expired"}, {sample_address(false).ip, "none"}},
                  false},
      CheckResult{"fish.example.org", CheckState::warning, 5, 28, "none",
                  "renewal is due, 5 days left"},
      CheckResult{"fish.example.org", CheckState::unknown, {}, 28, "timeout", "timeout"},
      NotifyState{"admin@example.org", true, Digest::weekly},
      NotifyState{},
  };
}

// A reply of that alternative without a value in it.
template <std::size_t... Alternatives>
ReplyBody empty_reply(std::size_t alternative, std::index_sequence<Alternatives...>) {
  ReplyBody reply;
  ((Alternatives == alternative ? void(reply.emplace<Alternatives>()) : void()), ...);
  return reply;
}

std::vector<ReplyBody> replies_of(const CommandRow& command) {
  std::vector<ReplyBody> all = sample_replies(), replies;
  for (auto& reply : all) {
    if (reply.index() == command.reply) replies.push_back(std::move(reply));
  }
  if (replies.empty()) {
    replies.push_back(
        empty_reply(command.reply, std::make_index_sequence<std::variant_size_v<ReplyBody>>()));
  }
  return replies;
}

std::string_view words_for(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::too_many:
      return "this key watches as many names as it may";
    case ErrorKind::not_registered:
      return "this link was used before, or is too old";
    case ErrorKind::internal:
      return "the server's log says more";
    default:
      return "try again later";
  }
}

HttpResponse openapi_sample() {
  HttpResponse response;
  response.body = R"({"openapi":"3.1.0"})";
  return response;
}

// The row's sample, as the parser made it of its target and body.
RestCall sample_call(std::size_t index) {
  const RestRow& row = rest_table()[index];
  const std::string target = sample_target(row), body = sample_body(row);
  HttpRequest request;
  request.method = row.method;
  request.target = target;
  request.body = body;
  const std::string authorization = "Bearer " + std::string(kSampleKey);
  request.authorization = authorization;
  return std::get<RestCall>(parse_rest(request, DomainRules{}));
}

}  // namespace

const FieldForm& form_of(std::string_view field) {
  return *std::find_if(kForms.begin(), kForms.end(),
                       [&](const FieldForm& form) { return form.name == field; });
}

std::string sample_target(const RestRow& row) {
  std::string target(row.path.substr(0, row.path.find('{')));
  for (const RestField& field : row.fields) {
    if (field.place == RestPlace::path) target += form_of(field.name).sample;
  }
  return target;
}

std::string sample_body(const RestRow& row) {
  std::string body;
  JsonWriter json(body);
  json.object();
  for (const RestField& field : row.fields) {
    if (field.place == RestPlace::input) json.text(field.name, form_of(field.name).sample);
  }
  json.end_object();
  return row.method == HttpMethod::post && body != "{}" ? body : std::string();
}

std::vector<HttpResponse> sample_successes(std::size_t index) {
  const RestRow& row = rest_table()[index];
  std::vector<HttpResponse> samples;
  if (row.command == nullptr) {
    HttpRequest request;
    const std::string target = sample_target(row);
    request.target = target;
    if (row.path == kDocsPath) return {openapi_sample()};
    return {std::get<HttpResponse>(parse_rest(request, DomainRules{}))};
  }
  const RestCall call = sample_call(index);
  const bool claim_get = row.command->name == "claim" && row.method == HttpMethod::get;
  for (const ReplyBody& reply : replies_of(*row.command)) {
    samples.push_back(render_rest(call, reply));
    if (claim_get) break;  // its key is always a new one
  }
  return samples;
}

std::vector<HttpResponse> sample_errors(std::size_t index) {
  const RestRow& row = rest_table()[index];
  if (row.command == nullptr) return {};
  const RestCall call = sample_call(index);
  std::vector<HttpResponse> samples;
  if (row.errors == RestErrors::page)
    return {token_error(404, words_for(ErrorKind::not_registered))};
  if (row.errors != RestErrors::problem) {
    if (row.keyed || !row.fields.empty()) {
      samples.push_back(message(400, "The body is not valid JSON."));
    }
    if (!row.fields.empty()) {
      const std::string text =
          "The " + std::string(row.fields.front().name) + " field is required.";
      const FieldError missing{row.fields.front().name, text};
      samples.push_back(invalid_fields({&missing, 1}));
    }
  }
  if (row.command->name == "certificate")
    samples.push_back(status_word(406, "single-cert-expected"));
  std::vector<ErrorKind> kinds(row.command->errors.begin(), row.command->errors.end());
  if (row.keyed) kinds.push_back(ErrorKind::key_unknown);
  kinds.insert(kinds.end(), {ErrorKind::internal, ErrorKind::unavailable});
  for (const ErrorKind kind : kinds) {
    samples.push_back(render_rest(call, Error{kind, std::string(words_for(kind)), 0}));
  }
  samples.push_back(render_rest(call, Error{ErrorKind::too_many, "too fast", 7}));
  return samples;
}

std::string_view member_description(std::string_view name) {
  const auto* const known = std::find_if(kMembers.begin(), kMembers.end(),
                                         [&](const MemberText& row) { return row.name == name; });
  return known == kMembers.end() ? std::string_view() : known->description;
}

}  // namespace certline::rest
