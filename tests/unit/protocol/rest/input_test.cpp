// What counts as JSON, a form or percent-encoding. Any bytes get an answer.
#include "protocol/rest/input.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "tests/unit/protocol/rest/rest_request.hpp"

#include "tests/unit/protocol/print_result.hpp"

#include "protocol/limits.hpp"

using namespace certline;
using namespace certline::rest;
using namespace certline::test;
namespace fs = std::filesystem;

namespace {

ErrorKind judged(std::string_view body) {
  const auto fields = parse_json_body(body);
  REQUIRE_FALSE(fields);
  return fields.error().kind;
}

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Scratch {
  fs::path path;
  Scratch() {
    std::string name = (fs::temp_directory_path() / "rest_input.XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Scratch() { fs::remove_all(path); }
};

}  // namespace

TEST_CASE("the members of a flat object, in their order") {
  const auto fields = parse_json_body(
      R"( {"a":"x","b\u00e9":"\ud83d\ude00\n","n":null,"i":-1.5e3,"t":true,"e":""} )");
  REQUIRE(fields);
  using Kind = InputField::Kind;
  const std::tuple<std::string, std::string, Kind> wanted[] = {
      {"a", "x", Kind::text}, {"b\xc3\xa9", "\xf0\x9f\x98\x80\n", Kind::text},
      {"n", "", Kind::null},  {"i", "", Kind::other},
      {"t", "", Kind::other}, {"e", "", Kind::text}};
  REQUIRE(fields->size() == std::size(wanted));
  for (std::size_t i = 0; i < std::size(wanted); ++i) {
    const InputField& field = (*fields)[i];
    CHECK(std::tuple(field.name, field.value, field.kind) == wanted[i]);
  }
  CHECK(parse_json_body("{}")->empty());
  const std::string large(kHttpBodyBytes, 'x');
  CHECK(parse_json_body("{\"a\":\"" + large + "\"}")->front().value == large);
}

TEST_CASE("JSON that is no set of fields is told from what is no JSON") {
  for (const auto* const body : {"[]", "[{}]", "0", "\"a\"", "true", "null", R"({"a":{}})",
                                 R"({"a":[]})", R"({"a":[1,"x"]})", R"({"a":"x","a":"y"})",
                                 R"({"a":"x","\u0061":"y"})", R"({"a":null,"a":null})"}) {
    INFO(body);
    CHECK(judged(body) == ErrorKind::invalid_value);
  }
  for (const auto* const body : {"",
                                 " ",
                                 "{",
                                 "}",
                                 "{'a':'x'}",
                                 "{\"a\":\"x\",}",
                                 "{\"a\" \"x\"}",
                                 "{a:1}",
                                 "{\"a\":01}",
                                 "{\"a\":\"\t\"}",
                                 "{} {}",
                                 "{}x",
                                 "// c\n{}",
                                 "{\"a\":NaN}",
                                 "{\"a\":\"\\x41\"}",
                                 "\xef\xbb\xbf{}",
                                 "{\"a\":\"\xff\"}",
                                 "{\"a\":\"\xc0\xaf\"}",
                                 "{\"a\":\"\xed\xa0\x80\"}",
                                 "{\"a\":\"\\ud800\"}"}) {
    INFO(body);
    CHECK(judged(body) == ErrorKind::malformed);
  }
  CHECK(judged(std::string("{}\0", 3)) == ErrorKind::malformed);
  CHECK(judged(std::string(32, '[') + std::string(32, ']')) == ErrorKind::invalid_value);
  CHECK(judged(std::string(33, '[') + std::string(33, ']')) == ErrorKind::malformed);
}

TEST_CASE("more fields than a request may have") {
  const auto object = [](std::size_t count) {
    std::string body = "{";
    for (std::size_t i = 0; i < count; ++i) {
      body += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\":\"\"";
    }
    return body + "}";
  };
  CHECK(parse_json_body(object(kInputFields)));
  CHECK(judged(object(kInputFields + 1)) == ErrorKind::invalid_value);
  CHECK(judged(object(5000)) == ErrorKind::invalid_value);
  std::string form;
  for (std::size_t i = 0; i < kInputFields; ++i) form += '&' + std::to_string(i) + "=x";
  CHECK(parse_form(form)->size() == kInputFields);
  REQUIRE_FALSE(parse_form(form + "&more=x"));
  CHECK(parse_form(form + "&more=x").error().kind == ErrorKind::malformed);
}

TEST_CASE("JSONTestSuite: what must parse is JSON, and what must not never becomes a request") {
  const std::string archive = CERTLINE_SOURCE_DIR "/../shared/corpora/jsontestsuite.tar.xz";
  if (!fs::exists(archive)) {
    WARN("skipped: shared/corpora/jsontestsuite.tar.xz is missing");
    return;
  }
  const Scratch scratch;
  REQUIRE(std::system(("tar -xJf '" + archive + "' -C '" + scratch.path.string() + "'").c_str()) ==
          0);
  std::size_t good = 0, bad = 0, either = 0;
  for (const auto& entry : fs::recursive_directory_iterator(scratch.path)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_regular_file() || !name.ends_with(".json")) continue;
    INFO(name);
    const std::string body = content(entry.path());
    const auto fields = parse_json_body(body);
    const bool is_json = fields || fields.error().kind == ErrorKind::invalid_value;
    const auto answer = post("/api/v1.0/notify?api_key=" + kRestKey, body).parse();
    const auto* const response = std::get_if<HttpResponse>(&answer);
    if (name.starts_with("y_")) {
      ++good;
      CHECK(is_json);
      CHECK((response == nullptr || response->status == 422));
    } else if (name.starts_with("n_")) {
      ++bad;
      CHECK_FALSE(is_json);
      // A body of no bytes is none: such a request has no fields.
      CHECK((response == nullptr) == body.empty());
      if (response != nullptr) CHECK(response->status == 400);
    } else {
      ++either;
    }
  }
  CHECK(good == 95);
  CHECK(bad == 188);
  CHECK(either > 0);
}

TEST_CASE("whatever the bytes of target, fields and body, there is a request or an answer") {
  std::vector<std::string> pieces{"\n",
                                  " ",
                                  "Bearer ",
                                  "Basic ",
                                  "-----BEGIN CERTIFICATE-----",
                                  "-----END CERTIFICATE-----",
                                  "\xff",
                                  "\xc3\xa9"};
  std::istringstream words(
      "/api/v1.0/servers/add /api/v1.0/servers/expiration/ /api/v1.0/access/claim/ /api /confirm/ "
      "? & = % %00 %2f .. / api_key domain email 5b9b6aceb95011e7bb9f7fca73a26228 a.org AAAA "
      "0123456789abcdef.0123456789abcdef0123456789abcdef { } \" : , [ ] \\u0000 null 1e9 + "
      "application/json");
  for (std::string word; words >> word;) pieces.push_back(word);
  std::mt19937 random(1);
  const auto text = [&](std::size_t most) {
    std::string out;
    for (std::size_t n = random() % most; n > 0; --n) {
      if (random() % 4 == 0) {
        out += static_cast<char>(random());
      } else {
        out += pieces[random() % pieces.size()];
      }
    }
    return out;
  };
  std::size_t executed = 0;
  for (int i = 0; i < 20'000; ++i) {
    Http http;
    http.method = static_cast<HttpMethod>(random() % 7);
    http.target = random() % 8 == 0
                      ? text(8)
                      : std::string(rest_table()[random() % rest_table().size()].path);
    http.target += text(6);
    http.body = text(12);
    http.content_type = text(3);
    http.authorization = text(3);
    const auto parsed = http.parse();
    loggable_target(http.target);
    if (const auto* call = std::get_if<RestCall>(&parsed)) {
      ++executed;
      CHECK(render_rest(*call, Error{ErrorKind::internal, http.body, 0}).status >= 400);
      continue;
    }
    const auto& response = std::get<HttpResponse>(parsed);
    if (response.status < 200 || response.status > 599) FAIL(http.target);
    if (response.body.empty() != (response.status == 204)) FAIL(http.target);
  }
  CHECK(executed > 0);
}
