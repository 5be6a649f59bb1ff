// From HTTP to requests: each route means the same as a line, keys and fields are found wherever
// they may be, and other input gets an answer that says why it is not a request.
#include "tests/unit/protocol/rest/rest_request.hpp"

#include "tests/unit/protocol/print_result.hpp"

#include "protocol/limits.hpp"
#include "protocol/line/parser.hpp"

using namespace certline;
using namespace certline::line;
using namespace certline::rest;
using namespace certline::test;

namespace {

const std::string kAdd = "/api/v1.0/servers/add";
const std::string kExpiration = "/api/v1.0/servers/expiration/";
const std::string kInvalid = "{\"message\":\"The given data was invalid.\",\"errors\":";

std::string with_key(const std::string& target) {
  return target + (target.find('?') == target.npos ? '?' : '&') + "api_key=" + kRestKey;
}

std::string json_key(const std::string& members) {
  return "{\"api_key\":\"" + kRestKey + "\"" + (members.empty() ? "" : ",") + members + "}";
}

std::string line_of(const std::string& line) {
  const auto request = parse_line(line, DomainRules{});
  REQUIRE(request);
  return describe(*request);
}

}  // namespace

TEST_CASE("each route gives the request of its line") {
  const std::string k = " apikey " + kRestKey;
  const std::string digest(64, 'a');
  const std::pair<Http, std::string> rows[] = {
      {get("/api/status"), "command status"},
      {get("/api/v1.0/access/claim/admin@example.org"), "command claim email admin@example.org"},
      {post("/api/v1.0/access/claim", json_key(R"("email":"admin@example.org")")),
       "command claim email admin@example.org" + k},
      {get(with_key("/api/v1.0/user")), "command user" + k},
      {post(kAdd, json_key(R"("domain":"Fish.example.org:25")")),
       "command add domain fish.example.org:25" + k},
      {post(kAdd, json_key(R"("domain":"a.org","starttls":"smtp","sha256":")" + digest + "\"")),
       "command add domain a.org starttls smtp sha256 " + digest + k},
      {get(with_key(kExpiration + "fish.example.org")),
       "command expiration domain fish.example.org" + k},
      {get(with_key(kExpiration + "[2001:db8::1]:25?ip=2001:db8::1&wait=30&request_id=x")),
       "command expiration domain [2001:db8::1]:25 ip 2001:db8::1 wait 30" + k},
      {get(with_key("/api/v1.0/servers")), "command domains" + k},
      {get(with_key("/api/v1.0/servers?after=b.org")), "command domains after b.org" + k},
      {{HttpMethod::del, with_key("/api/v1.0/servers/a.org:25")},
       "command remove domain a.org:25" + k},
      {post("/api/v1.0/servers/scan", json_key(R"("domain":"a.org")")),
       "command scan domain a.org" + k},
      {get(with_key("/api/v1.0/servers/addresses/a.org?after=::1")),
       "command addresses domain a.org after ::1" + k},
      {get(with_key("/api/v1.0/notify")), "command notify" + k},
      {post("/api/v1.0/notify", json_key(R"("mail":"off","digest":"weekly")")),
       "command notify mail off digest weekly" + k},
      {post("/api/v1.0/confirm", R"({"token":")" + kRestToken + "\"}"),
       "command confirm token " + kRestToken},
  };
  for (const auto& [http, line] : rows) {
    INFO(http.target);
    const RestCall call = http.call();
    CHECK(describe(call.request) == line_of(line));
    CHECK(rest_table()[call.route].command == &command_of(call.request));
  }
}

TEST_CASE("no route leads to a command of administrators") {
  for (const RestRow& row : rest_table()) {
    if (row.command == nullptr) continue;
    INFO(row.path);
    CHECK(row.command->access == Access::everyone);
    for (const RestField& field : row.fields) {
      if (field.argument.empty()) continue;
      const auto* const key = std::find(kArguments.begin(), kArguments.end(), field.argument);
      REQUIRE(key != kArguments.end());
      const auto index = static_cast<std::size_t>(key - kArguments.begin());
      CHECK((row.command->takes & argument_bit(index)) != 0);
    }
  }
}

TEST_CASE("only expiration asks for each address, and keeps what it is to repeat") {
  const RestCall call =
      get(with_key(kExpiration + "FISH.example.org?request_id=r%201&ip=192.0.2.1")).call();
  CHECK(std::get<GetExpiration>(call.request).each_address);
  CHECK(call.domain == "FISH.example.org");
  CHECK(call.ip == "192.0.2.1");
  CHECK(call.has_request_id);
  CHECK(call.request_id == "r 1");
  CHECK_FALSE(get(with_key(kExpiration + "a.org")).call().has_request_id);
}

TEST_CASE("a key is looked for in the query, the body, Bearer and Basic, in this order") {
  const auto key_of_add = [](const Http& http) { return key_of(http.call().request)->text(); };
  const std::string other[] = {std::string(16, '1'), std::string(16, '2'), std::string(16, '3')};
  Http http =
      post(kAdd + "?api_key=" + kRestKey, R"({"domain":"a.org","api_key":")" + other[0] + "\"}");
  http.authorization = "Bearer " + other[1];
  CHECK(key_of_add(http) == kRestKey);
  http.target = kAdd;
  CHECK(key_of_add(http) == other[0]);
  http.target = kAdd + "?api_key=";
  CHECK(key_of_add(http) == other[0]);
  http.target = kAdd;
  for (const auto* const body : {R"({"domain":"a.org"})", R"({"domain":"a.org","api_key":null})"}) {
    http.body = body;
    CHECK(key_of_add(http) == other[1]);
  }
  http.authorization = "bearer  " + other[1] + ' ';
  CHECK(key_of_add(http) == other[1]);
  http.authorization = "Basic dXNlcjozMzMzMzMzMzMzMzMzMzMz";  // user:3333333333333333
  CHECK(key_of_add(http) == other[2]);
  http.authorization = "BASIC OjMzMzMzMzMzMzMzMzMzMzM=";  // :3333333333333333
  CHECK(key_of_add(http) == other[2]);
}

TEST_CASE("without a key of the right form there is one answer") {
  std::vector<Http> rows{get("/api/v1.0/user"),
                         get("/api/v1.0/user?api_key=short"),
                         get("/api/v1.0/user?api_key=5b9b6aceb95011e7bb9f7fca73a2622_"),
                         get(kExpiration + "nonsense"),
                         get("/api/v1.0/servers"),
                         post(kAdd, R"({"domain":"a.org"})"),
                         post(kAdd, "{}"),
                         post(kAdd, R"({"domain":"a.org","api_key":1234567890123456})"),
                         {HttpMethod::del, "/api/v1.0/servers/a.org"}};
  for (const auto* const authorization :
       {"Bearer", "Bearer ", "Digest 5b9b6aceb95011e7bb9f7fca73a26228", "Basic ???", "Basic",
        "5b9b6aceb95011e7bb9f7fca73a26228", "Basic dXNlcg=="}) {
    rows.push_back(get("/api/v1.0/user"));
    rows.back().authorization = authorization;
  }
  for (const Http& http : rows) {
    INFO(http.target << http.authorization);
    const HttpResponse response = http.answer();
    CHECK(response.status == 401);
    CHECK(response.body == R"({"error":"Unauthenticated."})");
    CHECK(field_of(response, "WWW-Authenticate") == "Bearer");
  }
}

TEST_CASE("bodies: JSON, forms, and whichever it looks like") {
  const std::string form = "api_key=" + kRestKey + "&domain=a.org%3A25";
  const std::string json = json_key(R"("domain":"a.org:25")");
  const std::string wanted = "add a.org:25 a.org:25 " + kRestKey;
  const std::pair<std::string, std::string> rows[] = {
      {"application/json", json},
      {"Application/JSON; charset=utf-8", " \r\n" + json + "\n"},
      {"", json},
      {"text/plain", json},
      {"application/x-www-form-urlencoded", json},  // curl -d without -H
      {"application/x-www-form-urlencoded", form},
      {"", form},
      {"application/x-www-form-urlencoded; charset=UTF-8", form + "&&empty=&flag"},
  };
  for (const auto& [type, body] : rows) {
    INFO(type << ": " << body);
    Http http = post(kAdd, body);
    http.content_type = type;
    CHECK(describe(http.call().request) == wanted);
  }
  CHECK(describe(post(kAdd + '?' + form, "").call().request) == wanted);
  CHECK(describe(post(kAdd + '?' + form, "{}").call().request) == wanted);
  // The body goes before the query, but for the key.
  CHECK(describe(post(kAdd + "?domain=b.org", json).call().request) == wanted);
  // Blanks around a value are none of it.
  CHECK(describe(post(kAdd, json_key(R"("domain":" a.org:25\n")")).call().request) == wanted);
}

TEST_CASE("a plus is a blank in forms and queries only, and nothing is decoded twice") {
  CHECK(get("/api/v1.0/access/claim/a+b@example.org").call().email == "a+b@example.org");
  CHECK(get("/api/v1.0/access/claim/a%2Bb%40example.org").call().email == "a+b@example.org");
  const std::string text =
      get(with_key(kExpiration + "a.org?request_id=a+b%2Bc%2525")).call().request_id;
  CHECK(text == "a b+c%25");
  Http http = post("/api/v1.0/access/claim", "email=a%2Bb@example.org&api_key=" + kRestKey);
  http.content_type = "application/x-www-form-urlencoded";
  CHECK(http.call().email == "a+b@example.org");
  http.body = "email=a+b@example.org&api_key=" + kRestKey;
  CHECK(http.answer().status == 422);
}

TEST_CASE("bodies that are no fields") {
  const std::pair<std::string, std::string> bad[] = {
      {"application/json", "{"},
      {"application/json", " "},
      {"multipart/form-data; boundary=x", "domain=a.org"},
      {"application/json", "domain=a.org"},
      {"", "{\"domain\":\"a.org\"} x"},
      {"", "domain=%zz"},
      {"", "domain=%0"},
      {"", "domain=a%00b"},
      {"", "domain=a.org&domain=b.org"},
      {"application/json", "{\"domain\":\"\xff\"}"},
  };
  for (const auto& [type, body] : bad) {
    INFO(body);
    Http http = post(with_key(kAdd), body);
    http.content_type = type;
    CHECK(http.answer().status == 400);
    CHECK(http.answer().body.starts_with("{\"message\":\""));
  }
  CHECK(get("/api/v1.0/user?api_key=%zz").answer().status == 400);
  CHECK(get(with_key("/api/v1.0/user?api_key=x")).answer().status == 400);
  const std::string wrong[] = {"[]",
                               "3",
                               "\"x\"",
                               "null",
                               R"({"a":[]})",
                               R"({"a":{}})",
                               R"({"domain":"a.org","domain":"a.org"})"};
  for (const std::string& body : wrong) {
    INFO(body);
    const HttpResponse response = post(with_key(kAdd), body).answer();
    CHECK(response.status == 422);
    CHECK(response.body.starts_with(kInvalid + "{\"body\":[\""));
  }
}

TEST_CASE("fields that are missing or make no sense are named") {
  const std::string claim = "/api/v1.0/access/claim";
  const std::pair<Http, std::string> rows[] = {
      {post(with_key(kAdd), "{}"), R"({"domain":["The domain field is required."]}})"},
      {post(with_key(kAdd), R"({"domain":""})"),
       R"({"domain":["The domain field is required."]}})"},
      {post(with_key(kAdd), R"({"domain":null})"),
       R"({"domain":["The domain field is required."]}})"},
      {post(with_key(kAdd), R"({"domain":17})"), R"({"domain":["The domain must be a string."]}})"},
      {post(with_key(kAdd), R"({"domain":"ab"})"),
       R"({"domain":["The domain must be at least 3 characters."]}})"},
      {post(with_key(kAdd), R"({"domain":"a.org","starttls":"gopher"})"), R"({"starttls":[")"},
      {post(with_key(kAdd), R"({"domain":"a.org","sha256":"00"})"), R"({"sha256":[")"},
      {post(claim, "{}"), R"({"email":["The email field is required."],)"
                          R"("api_key":["The api key field is required."]}})"},
      {post(claim, json_key(R"("email":"nobody")")), R"({"email":[")"},
      {post(claim, R"({"email":"a@b.org","api_key":"short"})"), R"({"api_key":[")"},
      {get("/api/v1.0/access/claim/nobody"), R"({"email":[")"},
      {get(with_key(kExpiration + "a.org?ip=[::1]")), R"({"ip":[")"},
      {get(with_key(kExpiration + "a.org?wait=31")), R"({"wait":[")"},
      {get(with_key(kExpiration + "a.org?request_id=" + std::string(65, 'r'))),
       R"({"request_id":["The request id may not be greater than 64 characters."]}})"},
      {get(with_key(kExpiration + "ab")),
       R"({"domain":["The domain must be at least 3 characters."]}})"},
      {get(with_key("/api/v1.0/servers?after=!")), R"({"after":[")"},
      {post("/api/v1.0/confirm", R"({"token":"x"})"), R"({"token":[")"},
      {post(with_key("/api/v1.0/notify"), R"({"mail":"maybe"})"), R"({"mail":[")"},
      {post(with_key("/api/v1.0/notify"), R"({"digest":"hourly"})"), R"({"digest":[")"},
      {post(with_key("/api/v1.0/certificate/add"), R"({"certificate":"x"})"),
       R"({"certificate":["The certificate must be at least 24 characters."]}})"},
  };
  for (const auto& [http, errors] : rows) {
    INFO(http.target << ' ' << http.body);
    const HttpResponse response = http.answer();
    CHECK(response.status == 422);
    CHECK_THAT(response.body, Catch::StartsWith(kInvalid + errors));
    CHECK(response.content_type == "application/json; charset=utf-8");
  }
  CHECK(get(with_key(kExpiration + "a.org?request_id=" + std::string(64, 'r')))
            .call()
            .has_request_id);
}

TEST_CASE("names that cannot be watched have the routes' own answers") {
  for (const auto* const domain : {"localhost", "127.1", "a_b..org", "a.test", "x y.org"}) {
    INFO(domain);
    const HttpResponse added =
        post(with_key(kAdd), R"({"domain":")" + std::string(domain) + "\"}").answer();
    CHECK(added.status == 406);
    CHECK(added.body == R"({"status":"invalid-domain","domain":")" + std::string(domain) + "\"}");
  }
  const HttpResponse asked =
      get(with_key(kExpiration + "LocalHost?request_id=7&ip=192.0.2.1")).answer();
  CHECK(asked.status == 422);
  CHECK(asked.body ==
        R"({"domain":"LocalHost","ip":"192.0.2.1","request_id":"7","status":"invalid-domain"})");
  CHECK(parse_rest({HttpMethod::post, with_key(kAdd), {}, {}, {}, R"({"domain":"localhost"})"},
                   DomainRules{true})
            .index() == 0);
}

TEST_CASE("what echoes is escaped, and always UTF-8") {
  const HttpResponse response = get(with_key(kExpiration + "%22%3Cb%3E%5C%0A%FF%C3%A9.x")).answer();
  CHECK(response.body ==
        "{\"domain\":\"\\\"<b>\\\\\\n\xef\xbf\xbd\xc3\xa9.x\",\"status\":\"invalid-domain\"}");
}

TEST_CASE("one certificate is taken, as PEM or its base64") {
  const std::string route = with_key("/api/v1.0/certificate/add");
  const std::string base64 = "MIIBszCCAVmgAwIBAgIUAAAA";
  const auto pem = [](std::string_view body) {
    return "-----BEGIN CERTIFICATE-----\\n" + std::string(body) + "\\n-----END CERTIFICATE-----\\n";
  };
  const auto send = [&](const std::string& text) {
    return post(route, R"({"certificate":")" + text + "\"}");
  };
  const std::string wanted = describe(send(base64).call().request);
  CHECK(wanted.starts_with("certificate 308201b3"));
  const std::string good[] = {pem(base64), "subject=x\\n" + pem(base64),
                              pem("MIIBszCCAVmg\\r\\nAwIBAgIUAAAA"), base64 + "\\n"};
  for (const std::string& text : good) {
    INFO(text);
    CHECK(describe(send(text).call().request) == wanted);
  }
  const std::string bad[] = {pem(base64) + pem(base64),
                             "-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----",
                             pem(base64) + "-----BEGIN PRIVATE KEY-----\\nAAAA",
                             pem(""),
                             pem("MIIB!zCCAVmgAwIBAgIUAAAA"),
                             "-----BEGIN CERTIFICATE-----\\n" + base64,
                             "this is no certificate, at all"};
  for (const std::string& text : bad) {
    INFO(text);
    CHECK(send(text).answer().status == 406);
    CHECK(send(text).answer().body == R"({"status":"single-cert-expected"})");
  }
}

TEST_CASE("answers without a command") {
  CHECK(get("/api/ping").answer().body == R"({"status":"success"})");
  for (const auto method : {HttpMethod::get, HttpMethod::head, HttpMethod::post, HttpMethod::put,
                            HttpMethod::del, HttpMethod::patch}) {
    for (const auto* const target : {"/api/v1.0/", "/api/v1.0", "/api/v1.0/?x=y"}) {
      const HttpResponse index = Http{method, target}.answer();
      CHECK(index.status == 200);
      CHECK(index.body == R"({"html_docs":"/api/openapi.json"})");
    }
    for (const auto* const target :
         {"/api/v1.0/nothing", "/api/v1.0/user/", "/api/v1.0/servers/expiration/",
          "/api/v1.0/servers/expiration/a/b", "/api/v1.0/access/claim/"}) {
      INFO(target);
      const HttpResponse missing = Http{method, target}.answer();
      CHECK(missing.status == 404);
      CHECK(missing.body == R"({"error":"endpoint not found","html_docs":"/api/openapi.json"})");
    }
  }
  for (const auto* const target : {"/", "/index.html", "/api", "/api/", "/api/v2.0/user",
                                   "/confirm", "/confirm/", "/API/ping"}) {
    INFO(target);
    const HttpResponse missing = get(target).answer();
    CHECK(missing.status == 404);
    CHECK(missing.content_type == "application/problem+json");
    CHECK_THAT(missing.body,
               Catch::StartsWith(R"({"type":"about:blank","title":"Not Found","status":404,)"));
  }
}

TEST_CASE("another method on a known path, and OPTIONS") {
  struct Row {
    HttpMethod method;
    std::string target, allow;
  };
  const Row rows[] = {
      {HttpMethod::post, "/api/ping", "GET, HEAD, OPTIONS"},
      {HttpMethod::get, kAdd, "POST, OPTIONS"},
      {HttpMethod::del, kAdd, "POST, OPTIONS"},
      {HttpMethod::put, "/api/v1.0/notify", "GET, HEAD, POST, OPTIONS"},
      {HttpMethod::get, "/api/v1.0/servers/a.org", "DELETE, OPTIONS"},
      {HttpMethod::post, kExpiration + "a.org", "GET, HEAD, OPTIONS"},
      {HttpMethod::patch, "/confirm/x", "GET, HEAD, POST, OPTIONS"},
      {HttpMethod::head, "/api/v1.0/access/claim/a@b.org", "GET, OPTIONS"},
  };
  for (const Row& row : rows) {
    INFO(row.target);
    const HttpResponse refused = Http{row.method, row.target}.answer();
    CHECK(refused.status == 405);
    CHECK(field_of(refused, "Allow") == row.allow);
    CHECK(refused.content_type == "application/problem+json");
    const HttpResponse options = Http{HttpMethod::options, row.target}.answer();
    CHECK(options.status == 204);
    CHECK(field_of(options, "Allow") == row.allow);
    CHECK(options.body.empty());
    CHECK(options.fields.size() == 1);
  }
  CHECK(Http{HttpMethod::options, "/api/v1.0/"}.answer().status == 204);
  CHECK(Http{HttpMethod::options, "/nothing"}.answer().status == 404);
  CHECK(Http{HttpMethod::head, with_key("/api/v1.0/user")}.call().request.index() ==
        get(with_key("/api/v1.0/user")).call().request.index());
}

TEST_CASE("paths that are refused whatever they name") {
  for (const auto* const target :
       {"", "*", "api/ping", "http://a.org/api/ping", "//api/ping", "/api//ping",
        "/api/../api/ping", "/api/./ping", "/api/%2e%2e/ping", "/api/%2E/ping",
        "/api/v1.0/servers/..", "/api/v1.0/servers/%2e%2e", "/api/v1.0/servers/expiration/a%00b",
        "/api/ping%", "/api/ping%2", "/api/%zz", "/api/v1.0/servers/a%2F..%2Fb",
        "/confirm/%2e%2e"}) {
    INFO(target);
    const HttpResponse response = get(target).answer();
    CHECK(response.status == 400);
    CHECK(response.content_type == "application/problem+json");
  }
  // A URL is a name, too.
  CHECK(describe(get(with_key(kExpiration + "https%3A%2F%2Fa.org%2Fx")).call().request)
            .starts_with("expiration a.org "));
}

TEST_CASE("what is logged of a target holds no secret") {
  const std::pair<std::string, std::string> rows[] = {
      {"/api/ping", "/api/ping"},
      {"/api/v1.0/user?api_key=" + kRestKey, "/api/v1.0/user?api_key=***"},
      {"/x?a=1&api_key=" + kRestKey + "&b=2", "/x?a=1&api_key=***&b=2"},
      {"/x?api%5Fkey=" + kRestKey, "/x?api%5Fkey=***"},
      {"/x?api_key", "/x?api_key"},
      {"/x?&=&", "/x?&=&"},
      {"/x?%zz=secret", "/x?%zz=***"},
      {"/x?a=b?api_key=" + kRestKey, "/x?a=***"},
      {"/x?a?api_key=" + kRestKey + "&b=c", "/x?a?api_key=***&b=c"},
      {"/x&api_key=" + kRestKey + "?b=c", "/x&***?b=c"},
      {"/api/v1.0/confirm?token=" + kRestToken, "/api/v1.0/confirm?token=***"},
      {"/confirm/" + kRestToken, "/confirm/***"},
      {"/unsubscribe/" + kRestToken + "?x=y", "/unsubscribe/***?x=y"},
      {"", ""},
  };
  for (const auto& [target, logged] : rows) CHECK(loggable_target(target) == logged);
}
