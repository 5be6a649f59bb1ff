#pragma once
// HTTP requests for the tests of the REST routes, and their results.

#include <catch2/catch.hpp>
#include <string>
#include <string_view>

#include "protocol/rest/routes.hpp"
#include "tests/unit/protocol/describe_request.hpp"

namespace certline::test {

using namespace certline::rest;

inline const std::string kRestKey = "5b9b6aceb95011e7bb9f7fca73a26228";
inline const std::string kRestToken = "0123456789abcdef.0123456789abcdef0123456789abcdef";

struct Http {
  HttpMethod method = HttpMethod::get;
  std::string target;
  std::string body = {};
  std::string content_type = {};
  std::string authorization = {};

  std::variant<RestCall, HttpResponse> parse() const {
    return parse_rest({method, target, content_type, authorization, {}, body}, DomainRules{});
  }
  // A request that is executed.
  RestCall call() const {
    auto parsed = parse();
    INFO(target << ' ' << body);
    if (const auto* response = std::get_if<HttpResponse>(&parsed)) FAIL(response->body);
    return std::get<RestCall>(std::move(parsed));
  }
  // One that is answered at once.
  HttpResponse answer() const {
    auto parsed = parse();
    INFO(target << ' ' << body);
    REQUIRE(std::holds_alternative<HttpResponse>(parsed));
    return std::get<HttpResponse>(std::move(parsed));
  }
};

inline Http get(std::string target) {
  return {HttpMethod::get, std::move(target)};
}
inline Http post(std::string target, std::string body) {
  return {HttpMethod::post, std::move(target), std::move(body), "application/json"};
}

inline std::string field_of(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.fields) {
    if (key == name) return value;
  }
  return {};
}

}  // namespace certline::test
