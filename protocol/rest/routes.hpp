#pragma once
// The REST routes: a table of rows made from the commands' rows. A request that the HTTP gate let
// through becomes the same Request as its line would; a Reply becomes JSON and a status. Pure. The
// routes under /api/v1.0 keep the names, field orders, null rules and error bodies that REST.md
// fixes; errors elsewhere are problem documents (RFC 9457).

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "protocol/command_table.hpp"
#include "protocol/http_words.hpp"
#include "protocol/request.hpp"

namespace certline::rest {

// As the gate let it through: the target is in origin-form, printable ASCII, at most
// kHttpTargetBytes; the body is whole. Absent fields are empty.
struct HttpRequest {
  HttpMethod method = HttpMethod::get;
  std::string_view target;
  std::string_view content_type, authorization, accept;
  std::string_view body;
};

struct HttpResponse {
  int status = 200;
  std::string_view content_type = "application/json; charset=utf-8";
  std::string body;  // of GET; a HEAD request gets its length only
  std::vector<std::pair<std::string_view, std::string>> fields;  // Allow, Retry-After ...
  bool secret = false;  // holds a key, or depends on one: no-store
};

// What a route needs besides the request to say its answer.
struct RestCall {
  Request request;
  std::size_t route = 0;   // index in rest_table()
  std::string domain;      // as in the path, decoded; of `add`, as given
  std::string email;       // as given
  std::string ip;          // as given
  std::string request_id;  // to be repeated; at most 64 bytes
  bool has_request_id = false;
};

// Where a field stands. `input` is the query or the body; the body goes first.
enum class RestPlace : std::uint8_t { path, query, input };

struct RestField {
  std::string_view name;      // "certificate"
  std::string_view argument;  // the command's: "der"; empty: the route's own
  RestPlace place = RestPlace::input;
  bool optional = false;
};

// A route of a command's row, of the API itself, or of a page.
struct RestRow {
  HttpMethod method;                    // get stands for head, too
  std::string_view path;                // "/api/v1.0/servers/expiration/{domain}"
  const CommandRow* command = nullptr;  // null: answered here (ping, openapi ...)
  std::string_view summary;
  RestErrors errors = RestErrors::problem;
  std::vector<RestField> fields = {};  // besides the key
  bool keyed = false;                  // needs a key: query, body, Bearer or Basic password
  TokenPurpose purpose = {};           // of a page
};
std::span<const RestRow> rest_table();

// Something to execute, or an answer at once (not found, malformed, a page, the API's description).
std::variant<RestCall, HttpResponse> parse_rest(const HttpRequest& request,
                                                const DomainRules& rules);
HttpResponse render_rest(const RestCall& call, const Reply& reply);

// 429 with Retry-After, as the documented routes say that a client asks too often.
HttpResponse too_many_attempts(std::uint32_t wait_s);

// What the gate and the server themselves refuse: a problem document.
HttpResponse problem(int status, std::string_view detail);

// The OpenAPI 3.1 document, made from both tables.
std::string openapi_document();
// The routes as Markdown: what stands in REST.md between its `routes` markers.
std::string routes_markdown();

// A target without what is secret in it, for logs: values of api_key are cut out, tokens too.
std::string loggable_target(std::string_view target);

}  // namespace certline::rest
