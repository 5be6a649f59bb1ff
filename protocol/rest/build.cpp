// Makes the Request of a route's command from the fields of an HTTP request. Each field is decoded
// once. parse_arguments() parses the values as it does a line's, so that both wires accept the
// same. render.cpp is next on the way.
#include <algorithm>

#include "protocol/base64.hpp"
#include "protocol/command_table.hpp"
#include "protocol/rest/answers.hpp"
#include "protocol/rest/input.hpp"
#include "protocol/rest/routes.hpp"

namespace certline::rest {
namespace {

using Parsed = std::variant<RestCall, HttpResponse>;

constexpr std::size_t kRequestIdBytes = 64;
constexpr std::size_t kDomainMin = 3;
constexpr std::size_t kCertificateMin = 24;

// The fields of the query and of the body.
struct Input {
  InputFields query, body;

  static const InputField* find(const InputFields& fields, std::string_view name) {
    const auto found = std::find_if(fields.begin(), fields.end(),
                                    [&](const InputField& field) { return field.name == name; });
    const bool given = found != fields.end() && found->kind != InputField::Kind::null &&
                       (found->kind == InputField::Kind::other || !trimmed(found->value).empty());
    return given ? &*found : nullptr;
  }
  const InputField* find(const RestField& field) const {
    const InputField* in_body = field.place == RestPlace::input ? find(body, field.name) : nullptr;
    return in_body != nullptr ? in_body : find(query, field.name);
  }
};

Result<Input> read_input(const HttpRequest& request, std::string_view query) {
  Input input;
  auto in_query = parse_form(query);
  if (!in_query) return in_query.error();
  input.query = std::move(*in_query);
  if (request.method == HttpMethod::get || request.method == HttpMethod::head) return input;
  auto in_body = parse_body(request.content_type, request.body);
  if (!in_body) return in_body.error();
  input.body = std::move(*in_body);
  return input;
}

// `Bearer K`, or `Basic` with K as the password (RFC 6750, RFC 7617).
std::string authorized_key(std::string_view authorization) {
  const std::size_t blank = authorization.find(' ');
  if (blank == std::string_view::npos) return {};
  const std::string scheme = ascii_lower(authorization.substr(0, blank));
  const std::string_view credentials = trimmed(authorization.substr(blank));
  if (scheme == "bearer") return std::string(credentials);
  if (scheme != "basic") return {};
  const auto bytes = decode_base64(credentials);
  if (!bytes) return {};
  const auto colon = std::find(bytes->begin(), bytes->end(), ':');
  return colon == bytes->end() ? std::string() : std::string(colon + 1, bytes->end());
}

std::string given_key(const Input& input, std::string_view authorization) {
  for (const InputFields* fields : {&input.query, &input.body}) {
    const InputField* field = Input::find(*fields, "api_key");
    if (field != nullptr && field->kind == InputField::Kind::text) {
      return std::string(trimmed(field->value));
    }
  }
  return authorized_key(authorization);
}

// "The api key": a field as people say it.
std::string the(std::string_view name) {
  std::string text = "The " + std::string(name);
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

// A row's request, put together field by field.
class Builder {
 public:
  Builder(std::size_t index, const HttpRequest& http, const DomainRules& rules)
      : row_(rest_table()[index]), command_(*row_.command), http_(http), rules_(rules) {
    call_.route = index;
  }

  Parsed build(const RestParts& parts);

 private:
  void take(const RestField& field, std::string value);
  void take_certificate(std::string_view name, std::string_view pem);
  void gather(const Input& input, std::string_view parameter);
  Parsed parse();
  Parsed build_page(std::string_view token);
  HttpResponse refusal(const Error& error);

  const RestRow& row_;
  const CommandRow& command_;
  const HttpRequest& http_;
  const DomainRules& rules_;
  RestCall call_;
  std::string key_;
  std::vector<std::pair<const RestField*, std::string>> values_;
  std::vector<FieldError> errors_;
  bool several_certificates_ = false;
};

void Builder::take(const RestField& field, std::string value) {
  if (field.name == "domain") {
    call_.domain = row_.errors == RestErrors::add ? ascii_lower(value) : value;
    if (value.size() < kDomainMin) {
      errors_.push_back({field.name, "The domain must be at least 3 characters."});
    }
  } else if (field.name == "email") {
    call_.email = value;
  } else if (field.name == "ip") {
    call_.ip = value;
  } else if (field.name == "request_id") {
    if (value.size() > kRequestIdBytes) {
      errors_.push_back({field.name, "The request id may not be greater than 64 characters."});
    }
    call_.request_id = std::move(value);
    call_.has_request_id = true;
    return;
  } else if (field.argument == "der") {
    return take_certificate(field.name, value);
  }
  values_.emplace_back(&field, std::move(value));
}

void Builder::take_certificate(std::string_view name, std::string_view pem) {
  if (pem.size() < kCertificateMin) {
    errors_.push_back({name, "The certificate must be at least 24 characters."});
    return;
  }
  auto base64 = certificate_base64(pem);
  several_certificates_ = !base64;
  if (base64) values_.emplace_back(row_.fields.data(), std::move(*base64));
}

void Builder::gather(const Input& input, std::string_view parameter) {
  for (const RestField& field : row_.fields) {
    if (field.place == RestPlace::path) {
      take(field, percent_decode(parameter, false).value());  // path_objection() decoded it before
      continue;
    }
    const InputField* given = input.find(field);
    if (given == nullptr) {
      if (!field.optional) errors_.push_back({field.name, the(field.name) + " field is required."});
    } else if (given->kind != InputField::Kind::text) {
      errors_.push_back({field.name, the(field.name) + " must be a string."});
    } else {
      take(field, std::string(trimmed(given->value)));
    }
  }
}

// Which value it was: what a command is about comes first in its row, then one after the other.
HttpResponse Builder::refusal(const Error& error) {
  std::vector<ArgumentText> arguments;
  if (row_.keyed) arguments.push_back({"apikey", key_});
  for (const auto& [field, value] : values_) {
    arguments.push_back({field->argument, value});
    const auto parsed = parse_arguments(command_, arguments, rules_);
    if (parsed) continue;
    if (row_.errors != RestErrors::plain && field->name == "domain") {
      return error_response(row_, call_, parsed.error());
    }
    const FieldError wrong{field->name, parsed.error().detail};
    return invalid_fields({&wrong, 1});
  }
  return error_response(row_, call_, error);
}

Parsed Builder::parse() {
  std::vector<ArgumentText> arguments;
  arguments.reserve(values_.size() + 1);
  for (const auto& [field, value] : values_) arguments.push_back({field->argument, value});
  if (row_.keyed) arguments.push_back({"apikey", key_});
  auto request = parse_arguments(command_, arguments, rules_);
  if (!request) return refusal(request.error());
  call_.request = std::move(*request);
  if (auto* expiration = std::get_if<GetExpiration>(&call_.request)) {
    expiration->each_address = true;
  }
  return std::move(call_);
}

// A page's token is in its path, and nothing else counts: not even a body, which one-click
// unsubscription has (RFC 8058).
Parsed Builder::build_page(std::string_view token) {
  const ArgumentText argument{"token", token};
  auto request = parse_arguments(command_, {&argument, 1}, rules_);
  if (!request) return token_error(404, request.error().detail);
  std::get<ConfirmToken>(*request).purpose = row_.purpose;
  call_.request = std::move(*request);
  return std::move(call_);
}

Parsed Builder::build(const RestParts& parts) {
  if (row_.errors == RestErrors::page) return build_page(parts.parameter);
  auto input = read_input(http_, parts.query);
  if (!input) {
    if (input.error().kind == ErrorKind::malformed) return message(400, input.error().detail);
    const FieldError whole{"body", input.error().detail};
    return invalid_fields({&whole, 1});
  }
  if (row_.keyed) {
    key_ = given_key(*input, http_.authorization);
    if (!ApiKey::parse(key_)) return unauthenticated();
  }
  gather(*input, parts.parameter);
  if (!errors_.empty()) return invalid_fields(errors_);
  if (several_certificates_) return status_word(406, "single-cert-expected");
  return parse();
}

}  // namespace

Parsed build_call(std::size_t row, const HttpRequest& request, const RestParts& parts,
                  const DomainRules& rules) {
  return Builder(row, request, rules).build(parts);
}

}  // namespace certline::rest
