// The REST routes over arbitrary bytes. They give a request that everyone may make, or an answer.
// An answer is JSON or a page, and no log line holds a key. The input is four lines (method and
// target, type, authorization) and the body.
#include <algorithm>
#include <boost/json/parse.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "protocol/limits.hpp"
#include "protocol/rest/routes.hpp"

namespace {

using namespace certline;
using namespace certline::rest;

void require(bool held) {
  if (!held) std::abort();
}

std::string_view next_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

HttpMethod method_of(std::string_view letter) {
  static constexpr std::string_view kLetters = "ghpudao";
  const std::size_t at = letter.empty() ? 0 : kLetters.find(letter.front());
  return static_cast<HttpMethod>(at == std::string_view::npos ? 0 : at);
}

void check(const HttpResponse& response) {
  require(response.status >= 200 && response.status < 600);
  for (const auto& [name, value] : response.fields) {
    for (const char c : value) require(c >= 0x20 && c < 0x7f);
  }
  if (response.status == 204) return require(response.body.empty());
  if (response.content_type.starts_with("text/html")) {
    for (const char c : response.body) require(c == '\n' || (c >= 0x20 && c < 0x7f));
    return;
  }
  boost::system::error_code error;
  require(boost::json::parse(response.body, error).is_object() && !error);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  HttpRequest request;
  request.method = method_of(next_line(rest));
  request.target = next_line(rest);
  request.content_type = next_line(rest);
  request.authorization = next_line(rest);
  request.body = rest;
  const std::string logged = loggable_target(request.target);
  require(logged.size() <= 4 * request.target.size() + 3);
  const auto parsed = parse_rest(request, DomainRules{});
  if (const auto* response = std::get_if<HttpResponse>(&parsed)) {
    check(*response);
    return 0;
  }
  const auto& call = std::get<RestCall>(parsed);
  const RestRow& row = rest_table()[call.route];
  require(!needs_administrator(call.request));
  require(&command_of(call.request) == row.command);
  if (row.keyed) {
    require(key_of(call.request) != nullptr);
    require(logged.find("api_key=" + key_of(call.request)->text()) == std::string::npos);
  }
  for (int kind = 0; kind <= static_cast<int>(ErrorKind::store_full); ++kind) {
    check(render_rest(call, Error{static_cast<ErrorKind>(kind), std::string(request.body), 1}));
  }
  check(render_rest(call, ReplyBody{ExpirationReport{}}));
  return 0;
}
