// Writes errors as the routes document them. One table lists what differs from the usual: the
// route's family, the kind of error, and the form of its body. routes.cpp says which family a route
// has.
#include <algorithm>
#include <array>

#include "protocol/rest/answers.hpp"
#include "protocol/rest/json_writer.hpp"
#include "protocol/rest/routes.hpp"

namespace certline::rest {
namespace {

constexpr std::string_view kProblemType = "application/problem+json";
constexpr std::string_view kRetryAfter = "Retry-After";

enum class Form : std::uint8_t {
  problem,          // RFC 9457
  unauthenticated,  // {"error":"Unauthenticated."}
  attempts,         // {"message":…}, and when to come back
  fields,           // {"message":…,"errors":{…}}
  word,             // {"status":W}
  word_domain,      // {"status":W,"domain":D}
  echo_word,        // {"domain":D,…,"status":W}
};

struct ErrorRow {
  RestErrors route;
  ErrorKind kind;
  int status;
  Form form;
  std::string_view word = {};
};

using enum ErrorKind;
using Route = RestErrors;

constexpr std::array kErrors{
    ErrorRow{Route::claim, key_unknown, 405, Form::word, "not-allowed"},
    ErrorRow{Route::claim, refused, 405, Form::word, "not-allowed"},
    ErrorRow{Route::claim, registration_closed, 405, Form::word, "not-allowed"},
    ErrorRow{Route::claim, too_many, 405, Form::word, "too-many"},
    ErrorRow{Route::claim, conflict, 503, Form::word, "error"},
    ErrorRow{Route::claim, internal, 503, Form::word, "error"},
    ErrorRow{Route::claim, unavailable, 503, Form::word, "error"},
    ErrorRow{Route::claim, store_full, 503, Form::word, "error"},

    ErrorRow{Route::add, invalid_value, 406, Form::word_domain, "invalid-domain"},
    ErrorRow{Route::add, refused, 406, Form::word_domain, "invalid-domain"},
    ErrorRow{Route::add, registration_closed, 401, Form::unauthenticated},
    ErrorRow{Route::add, internal, 500, Form::word, "error"},
    ErrorRow{Route::add, unavailable, 503, Form::word, "error"},
    ErrorRow{Route::add, store_full, 507, Form::word, "error"},

    ErrorRow{Route::certificate, conflict, 409, Form::word, "already-inserted"},
    ErrorRow{Route::certificate, registration_closed, 401, Form::unauthenticated},
    ErrorRow{Route::certificate, internal, 500, Form::word, "error"},
    ErrorRow{Route::certificate, unavailable, 503, Form::word, "error"},
    ErrorRow{Route::certificate, store_full, 507, Form::word, "error"},

    ErrorRow{Route::expiration, not_registered, 404, Form::echo_word, "not-registered"},
    ErrorRow{Route::expiration, invalid_value, 422, Form::echo_word, "invalid-domain"},
    ErrorRow{Route::expiration, refused, 422, Form::echo_word, "invalid-domain"},
    ErrorRow{Route::expiration, internal, 503, Form::echo_word, "error"},
    ErrorRow{Route::expiration, unavailable, 503, Form::echo_word, "error"},
    ErrorRow{Route::expiration, store_full, 503, Form::echo_word, "error"},
};

// Under /api/v1.0, whatever the route.
constexpr std::array kUsual{
    ErrorRow{Route::plain, key_unknown, 401, Form::unauthenticated},
    ErrorRow{Route::plain, too_many, 429, Form::attempts},
    ErrorRow{Route::plain, invalid_value, 422, Form::fields},
};

ErrorRow row_for(RestErrors route, const Error& error) {
  // Too fast is the same everywhere; too many of something is a route's own matter.
  const bool too_fast = error.kind == too_many && error.retry_after_s > 0;
  const auto* const own = std::find_if(kErrors.begin(), kErrors.end(), [&](const ErrorRow& row) {
    return row.route == route && row.kind == error.kind;
  });
  if (own != kErrors.end() && !too_fast) return *own;
  const auto* const usual = std::find_if(
      kUsual.begin(), kUsual.end(), [&](const ErrorRow& row) { return row.kind == error.kind; });
  if (usual != kUsual.end() && route != Route::problem) return *usual;
  return {route, error.kind, http_status(error.kind), Form::problem};
}

void set_retry_after(HttpResponse& response, std::uint32_t wait_s) {
  const auto told = [](const auto& field) { return field.first == kRetryAfter; };
  if (std::any_of(response.fields.begin(), response.fields.end(), told)) return;
  response.fields.emplace_back(kRetryAfter, std::to_string(wait_s));
}

HttpResponse echo(const RestCall& call, const ErrorRow& row) {
  HttpResponse response;
  response.status = row.status;
  JsonWriter json(response.body);
  json.object().text("domain", call.domain);
  if (!call.ip.empty()) json.text("ip", call.ip);
  if (call.has_request_id) json.text("request_id", call.request_id);
  json.text("status", row.word).end_object();
  return response;
}

HttpResponse word_domain(const RestCall& call, const ErrorRow& row) {
  HttpResponse response;
  response.status = row.status;
  JsonWriter(response.body)
      .object()
      .text("status", row.word)
      .text("domain", call.domain)
      .end_object();
  return response;
}

HttpResponse fields(const RestRow& row, const Error& error) {
  const FieldError wrong{row.fields.empty() ? "body" : row.fields.front().name, error.detail};
  return invalid_fields({&wrong, 1});
}

HttpResponse in_form(const RestRow& row, const RestCall& call, const Error& error,
                     const ErrorRow& how) {
  switch (how.form) {
    case Form::unauthenticated:
      return unauthenticated();
    case Form::attempts:
      return error.retry_after_s > 0 ? too_many_attempts(error.retry_after_s)
                                     : message(429, error.detail);
    case Form::fields:
      return fields(row, error);
    case Form::word:
      return status_word(how.status, how.word);
    case Form::word_domain:
      return word_domain(call, how);
    case Form::echo_word:
      return echo(call, how);
    case Form::problem:
      break;
  }
  return problem(how.status, error.detail);
}

}  // namespace

HttpResponse error_response(const RestRow& row, const RestCall& call, const Error& error) {
  HttpResponse response;
  if (row.errors == RestErrors::page) {
    response = token_error(http_status(error.kind), error.detail);
  } else {
    response = in_form(row, call, error, row_for(row.errors, error));
  }
  if (response.status == 405) {
    response.fields.emplace_back("Allow",
                                 row.method == HttpMethod::get ? "GET, OPTIONS" : "POST, OPTIONS");
  }
  if (error.retry_after_s > 0) set_retry_after(response, error.retry_after_s);
  return response;
}

HttpResponse problem(int status, std::string_view detail) {
  HttpResponse response;
  response.status = status;
  response.content_type = kProblemType;
  JsonWriter json(response.body);
  json.object()
      .text("type", "about:blank")
      .text("title", status_title(status))
      .number("status", status);
  if (!detail.empty()) json.text("detail", detail);
  json.end_object();
  return response;
}

HttpResponse invalid_fields(std::span<const FieldError> errors) {
  HttpResponse response;
  response.status = 422;
  JsonWriter json(response.body);
  json.object().text("message", "The given data was invalid.").key("errors").object();
  for (const FieldError& error : errors) {
    json.key(error.field).array().text(error.text).end_array();
  }
  json.end_object().end_object();
  return response;
}

HttpResponse unauthenticated() {
  HttpResponse response;
  response.status = 401;
  JsonWriter(response.body).object().text("error", "Unauthenticated.").end_object();
  response.fields.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

HttpResponse message(int status, std::string_view text) {
  HttpResponse response;
  response.status = status;
  JsonWriter(response.body).object().text("message", text).end_object();
  return response;
}

HttpResponse too_many_attempts(std::uint32_t wait_s) {
  HttpResponse response = message(429, "Too Many Attempts.");
  set_retry_after(response, wait_s);
  return response;
}

HttpResponse status_word(int status, std::string_view word) {
  HttpResponse response;
  response.status = status;
  JsonWriter(response.body).object().text("status", word).end_object();
  return response;
}

HttpResponse docs_answer(int status, std::string_view error) {
  HttpResponse response;
  response.status = status;
  JsonWriter json(response.body);
  json.object();
  if (!error.empty()) json.text("error", error);
  json.text("html_docs", kDocsPath).end_object();
  return response;
}

}  // namespace certline::rest
