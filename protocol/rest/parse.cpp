// Finds the row of an HTTP request. It refuses bad paths, answers for missing routes and methods,
// and answers the rows without a command. build.cpp puts the others together, next on the way.
#include "protocol/rest/routes.hpp"

#include <algorithm>

#include "protocol/rest/answers.hpp"
#include "protocol/rest/input.hpp"
#include "protocol/rest/target.hpp"

namespace certline::rest {
namespace {

constexpr std::size_t kNoRow = std::size_t(-1);

// Where a target leads: a row, or the rows of its path that other methods have.
struct Route {
  std::size_t row = kNoRow;
  std::string_view path;       // the pattern that fits; empty: none does
  std::string_view parameter;  // not decoded
};

// A parameter is the last segment of its pattern.
bool fits(std::string_view pattern, std::string_view path, std::string_view& parameter) {
  const std::size_t brace = pattern.find('{');
  if (brace == std::string_view::npos) return path == pattern;
  if (path.size() <= brace || path.substr(0, brace) != pattern.substr(0, brace)) return false;
  parameter = path.substr(brace);
  return parameter.find('/') == std::string_view::npos;
}

// A HEAD must not make a key: its answer has no body to show it in.
bool has_head(const RestRow& row) {
  return row.method == HttpMethod::get && row.errors != RestErrors::claim;
}

Route find_route(HttpMethod method, std::string_view path) {
  if (path == kVersionedPath.substr(0, kVersionedPath.size() - 1)) path = kVersionedPath;
  const HttpMethod asked = method == HttpMethod::head ? HttpMethod::get : method;
  Route route;
  for (const bool literal : {true, false}) {  // /servers/add is a route, not a domain
    for (std::size_t i = 0; i < rest_table().size(); ++i) {
      const RestRow& row = rest_table()[i];
      if ((row.path.find('{') == std::string_view::npos) != literal) continue;
      if (!fits(row.path, path, route.parameter)) continue;
      route.path = row.path;
      if (row.method != asked || (method == HttpMethod::head && !has_head(row))) continue;
      route.row = i;
      return route;
    }
    if (!route.path.empty()) return route;
  }
  return route;
}

std::string allowed_methods(std::string_view path) {
  if (path == kVersionedPath) return "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS";
  std::string out;
  for (const RestRow& row : rest_table()) {
    if (row.path != path) continue;
    out += method_name(row.method);
    out += has_head(row) ? ", HEAD, " : ", ";
  }
  return out + "OPTIONS";
}

HttpResponse without_row(HttpMethod method, const Route& route, std::string_view path) {
  if (route.path.empty()) {
    if (path.starts_with(kVersionedPath)) return docs_answer(404, "endpoint not found");
    return problem(404, "nothing is here; see /api/openapi.json");
  }
  HttpResponse response;
  if (method == HttpMethod::options) {
    response.status = 204;
    response.content_type = {};
  } else {
    response = problem(405, "see the field Allow for the methods of this path");
  }
  response.fields.emplace_back("Allow", allowed_methods(route.path));
  return response;
}

// The rows without a command.
HttpResponse answered_here(const RestRow& row, std::string_view parameter) {
  HttpResponse response;
  if (row.path == kDocsPath) {
    static const std::string document = openapi_document();
    response.body = document;
    return response;
  }
  if (row.errors == RestErrors::page) {
    const auto token = Token::parse(parameter);
    return token ? token_question(row.purpose) : token_error(404, token.error().detail);
  }
  return row.path == kVersionedPath ? docs_answer(200, {}) : status_word(200, "success");
}

// Whether a pair of a query is, or holds, one whose value is secret: also behind a second question
// mark, as careless scripts write it.
bool is_secret(std::string_view encoded_pair) {
  const auto pair = percent_decode(encoded_pair, true);
  return !pair || pair->find("api_key") != std::string::npos ||
         pair->find("token") != std::string::npos;
}

}  // namespace

std::variant<RestCall, HttpResponse> parse_rest(const HttpRequest& request,
                                                const DomainRules& rules) {
  const std::size_t mark = std::min(request.target.find('?'), request.target.size());
  const std::string_view path = request.target.substr(0, mark);
  const std::string_view query = request.target.substr(std::min(mark + 1, request.target.size()));
  if (const std::string_view objection = path_objection(path); !objection.empty()) {
    return problem(400, objection);
  }
  const Route route = find_route(request.method, path);
  const bool index = route.path == kVersionedPath && request.method != HttpMethod::options;
  if (index) return docs_answer(200, {});
  if (route.row == kNoRow) return without_row(request.method, route, path);
  const RestRow& row = rest_table()[route.row];
  if (row.command == nullptr) return answered_here(row, route.parameter);
  return build_call(route.row, request, {query, route.parameter}, rules);
}

std::string loggable_target(std::string_view target) {
  static constexpr std::string_view kCut = "***";
  const std::size_t mark = std::min(target.find('?'), target.size());
  const std::string_view path = target.substr(0, mark);
  std::string_view query = target.substr(std::min(mark + 1, target.size()));
  const Route route = find_route(HttpMethod::get, path);
  const std::size_t shown =
      route.path.ends_with("{token}") ? path.size() - route.parameter.size() : path.find("api_key");
  std::string out(path.substr(0, shown));
  if (shown < path.size()) out += kCut;
  if (mark < target.size()) out += '?';
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    const std::size_t equals = pair.find('=');
    const bool secret = equals != std::string_view::npos && is_secret(pair);
    out += secret ? pair.substr(0, equals + 1) : pair;
    if (secret) out += kCut;
    if (end < query.size()) out += '&';
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return out;
}

}  // namespace certline::rest
