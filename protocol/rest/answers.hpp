#pragma once
// Declares what the files of the REST routes share. Private to them.

#include <span>
#include <string>
#include <string_view>

#include "protocol/rest/routes.hpp"

namespace certline::rest {

inline constexpr std::string_view kDocsPath = "/api/openapi.json";
inline constexpr std::string_view kVersionedPath = "/api/v1.0/";

// What follows the row's own text in a target, not decoded.
struct RestParts {
  std::string_view query, parameter;
};
std::variant<RestCall, HttpResponse> build_call(std::size_t row, const HttpRequest& request,
                                                const RestParts& parts, const DomainRules& rules);

// What stands on the page behind a link, and the summary of what its button does.
struct PageText {
  TokenPurpose purpose;
  std::string_view path;  // "/confirm/{token}"
  std::string_view title, question, button, outcome, summary;
};
std::span<const PageText> page_texts();

// The body that a route says an error with, and its status.
HttpResponse error_response(const RestRow& row, const RestCall& call, const Error& error);

// 422 with a text for each field.
struct FieldError {
  std::string_view field;
  std::string text;
};
HttpResponse invalid_fields(std::span<const FieldError> errors);

HttpResponse unauthenticated();                                // 401
HttpResponse message(int status, std::string_view text);       // {"message":…}
HttpResponse status_word(int status, std::string_view word);   // {"status":…}
HttpResponse docs_answer(int status, std::string_view error);  // [{"error":…,]"html_docs":…}

// HTML: the question before a token acts, its outcome, and the answer to a wrong link.
HttpResponse token_question(TokenPurpose purpose);
HttpResponse token_outcome(TokenPurpose purpose);
HttpResponse token_error(int status, std::string_view text);

}  // namespace certline::rest
