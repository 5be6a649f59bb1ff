// The OpenAPI document and REST.md agree with the tables.
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/unit/protocol/rest/rest_request.hpp"

#include "protocol/rest/openapi_samples.hpp"

using namespace certline;
using namespace certline::rest;
using namespace certline::test;
namespace json = boost::json;

namespace {

std::string lower(std::string_view text) {
  return ascii_lower(text);
}

}  // namespace

TEST_CASE("the OpenAPI document has each row of the table, and nothing else") {
  const json::value document = json::parse(openapi_document());
  CHECK(document.at("openapi").as_string() == "3.1.0");
  std::set<std::string> ids;
  std::size_t operations = 0;
  for (const auto& path : document.at("paths").as_object()) {
    operations += path.value().as_object().size();
  }
  CHECK(operations == rest_table().size());
  for (const RestRow& row : rest_table()) {
    INFO(row.path);
    const json::value& operation =
        document.at("paths").at(row.path).at(lower(method_name(row.method)));
    ids.insert(std::string(operation.at("operationId").as_string()));
    CHECK(operation.at("summary").as_string() == row.summary);
    CHECK(operation.at("responses").as_object().contains("200"));
    CHECK(operation.at("security").as_array().empty() == !row.keyed);
    std::size_t parameters = 0, inputs = 0;
    for (const RestField& field : row.fields) {
      ++(field.place == RestPlace::input ? inputs : parameters);
    }
    const auto& members = operation.as_object();
    CHECK((members.contains("parameters") ? members.at("parameters").as_array().size() : 0) ==
          parameters);
    CHECK(members.contains("requestBody") == (inputs > 0));
    if (row.command != nullptr) {
      CHECK_THAT(std::string(operation.at("description").as_string()),
                 Catch::Contains(command_usage(*row.command)));
    }
  }
  CHECK(ids.size() == rest_table().size());
}

TEST_CASE("the server serves the document") {
  CHECK(get("/api/openapi.json").answer().body == openapi_document());
}

TEST_CASE("every command that everyone may use has a route, but for the two that need none") {
  for (const CommandRow& command : command_table()) {
    const bool routed = std::any_of(rest_table().begin(), rest_table().end(),
                                    [&](const RestRow& row) { return row.command == &command; });
    const bool expected = command.access == Access::everyone && command.name != "apikey" &&
                          command.name != "help" && command.name != "ping";
    INFO(command.name);
    CHECK(routed == expected);
  }
}

TEST_CASE("the document lists every way that TLS begins") {
  std::string names;
  for (int i = 0; i < kStarttlsCount; ++i) {
    names += (i > 0 ? ",\"" : "\"") + std::string(starttls_name(static_cast<Starttls>(i))) + '"';
  }
  CHECK_THAT(std::string(form_of("starttls").schema), Catch::Contains('[' + names + ']'));
}

TEST_CASE("REST.md lists the routes as the table has them") {
  std::ifstream file(CERTLINE_SOURCE_DIR "/protocol/REST.md");
  std::stringstream content;
  content << file.rdbuf();
  const std::string page = content.str();
  const std::string open = "<!-- routes -->\n", close = "<!-- /routes -->";
  const std::size_t start = page.find(open);
  const std::size_t end = page.find(close);
  REQUIRE(start != std::string::npos);
  REQUIRE(end != std::string::npos);
  CHECK(page.substr(start + open.size(), end - start - open.size()) == routes_markdown());
}
