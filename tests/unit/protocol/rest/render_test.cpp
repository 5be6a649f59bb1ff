// Answers byte for byte as in REST.md and in the older documents: members, their order, nulls,
// statuses.
#include <boost/json/parse.hpp>

#include "tests/unit/protocol/rest/rest_request.hpp"

using namespace certline;
using namespace certline::rest;
using namespace certline::test;

namespace {

const std::string kId = "671d1b10-bb1d-11e7-bae1-571d93cf1c53";
const std::string kName = "da70d5e4864f57e910e66bd21c685b26";
const std::string kDigest = "1aa7cda60ba61810321bedc4793fadc80f7ca6a3e328d484b0d5eb8a9ef230de";

RestCall claim() {
  return post("/api/v1.0/access/claim",
              R"({"email":"Admin@example.org","api_key":")" + kRestKey + "\"}")
      .call();
}
RestCall add() {
  return post("/api/v1.0/servers/add",
              R"({"api_key":")" + kRestKey + R"(","domain":"Fish.example.org"})")
      .call();
}
RestCall expiration(const std::string& query = "") {
  return get("/api/v1.0/servers/expiration/Fish.example.org?api_key=" + kRestKey + query).call();
}
RestCall certificate() {
  return post("/api/v1.0/certificate/add?api_key=" + kRestKey,
              R"({"certificate":"MIIBszCCAVmgAwIBAgIUAAAA"})")
      .call();
}
RestCall keyed(const std::string& target, HttpMethod method = HttpMethod::get) {
  return Http{method, target + "?api_key=" + kRestKey}.call();
}

void check_body(const HttpResponse& response, int status, const std::string& body) {
  CHECK(response.status == status);
  CHECK(response.body == body);
  CHECK(response.content_type == "application/json; charset=utf-8");
}

HttpResponse failed(const RestCall& call, ErrorKind kind, std::uint32_t retry_after_s = 0) {
  return render_rest(call, Error{kind, "what to do", retry_after_s});
}

ExpirationReport report() {
  AddressReport without, with;
  without.ip = *IpAddress::parse("2001:41c9:1:41d::131");
  without.last_scan_utc = 1509094412;
  with.ip = *IpAddress::parse("46.43.0.131");
  with.certificate_found = with.renewal_due = true;
  with.certificate_sha256 = *parse_sha256(kDigest);
  with.renewal_utc = 1510216500;
  with.last_scan_utc = 1509099907;
  ExpirationReport r;
  r.domain = "fish.example.org";
  r.certificate_found = r.renewal_due = true;
  r.results = {without, with};
  return r;
}

const std::string kResults =
    R"("certificate_found":true,"renewal_due":true,"expired_found":false,"results":[)"
    R"({"ip":"2001:41c9:1:41d::131","certificate_found":false,"certificate_sha256":null,)"
    R"("renewal_due":null,"expired":null,"renewal_utc":null,"last_scan_utc":1509094412},)"
    R"({"ip":"46.43.0.131","certificate_found":true,"certificate_sha256":")" +
    kDigest +
    R"(","renewal_due":true,"expired":false,"renewal_utc":1510216500,"last_scan_utc":1509099907}],)"
    R"("status":"success"})";

}  // namespace

TEST_CASE("claim: created with the client's key or a fresh one, success when it was") {
  const std::string created =
      R"({"status":"created","user":"Admin@example.org","api_key":")" + kRestKey + "\"}";
  check_body(render_rest(claim(), ReplyBody{Claimed{true}}), 200, created);
  const RestCall fresh = get("/api/v1.0/access/claim/Admin@example.org").call();
  CHECK_FALSE(std::get<ClaimKey>(fresh.request).key);
  const Reply made = ReplyBody{Claimed{true, false, "admin@example.org", kRestKey}};
  check_body(render_rest(fresh, made), 200, created);
  check_body(render_rest(claim(), ReplyBody{Claimed{false}}), 200, R"({"status":"success"})");
  CHECK(render_rest(claim(), ReplyBody{Claimed{true}}).secret);
}

TEST_CASE("claim: refusals") {
  for (const RestCall& call : {claim(), get("/api/v1.0/access/claim/a@example.org").call()}) {
    for (const auto kind :
         {ErrorKind::registration_closed, ErrorKind::refused, ErrorKind::key_unknown}) {
      check_body(failed(call, kind), 405, R"({"status":"not-allowed"})");
    }
    check_body(failed(call, ErrorKind::too_many), 405, R"({"status":"too-many"})");
    for (const auto kind : {ErrorKind::conflict, ErrorKind::internal, ErrorKind::unavailable,
                            ErrorKind::store_full}) {
      check_body(failed(call, kind), 503, R"({"status":"error"})");
    }
    check_body(failed(call, ErrorKind::too_many, 7), 429, R"({"message":"Too Many Attempts."})");
  }
  CHECK(field_of(failed(claim(), ErrorKind::refused), "Allow") == "POST, OPTIONS");
  CHECK(field_of(failed(claim(), ErrorKind::too_many, 7), "Retry-After") == "7");
}

TEST_CASE("servers/add") {
  check_body(render_rest(add(), ReplyBody{Added{kId, kName, "fish.example.org"}}), 200,
             R"({"status":"success","id":")" + kId + R"(","key":")" + kName +
                 R"(","domain":"fish.example.org"})");
  for (const auto kind : {ErrorKind::refused, ErrorKind::invalid_value}) {
    check_body(failed(add(), kind), 406,
               R"({"status":"invalid-domain","domain":"fish.example.org"})");
  }
  for (const auto kind : {ErrorKind::key_unknown, ErrorKind::registration_closed}) {
    check_body(failed(add(), kind), 401, R"({"error":"Unauthenticated."})");
  }
  check_body(failed(add(), ErrorKind::internal), 500, R"({"status":"error"})");
  check_body(failed(add(), ErrorKind::unavailable), 503, R"({"status":"error"})");
  check_body(failed(add(), ErrorKind::store_full), 507, R"({"status":"error"})");
  check_body(failed(add(), ErrorKind::too_many), 429, R"({"message":"what to do"})");
  check_body(failed(add(), ErrorKind::too_many, 7), 429, R"({"message":"Too Many Attempts."})");
}

TEST_CASE("servers/expiration") {
  check_body(render_rest(expiration(), ReplyBody{report()}), 200,
             R"({"domain":"Fish.example.org",)" + kResults);
  check_body(render_rest(expiration("&ip=46.43.0.131&request_id=17"), ReplyBody{report()}), 200,
             R"({"domain":"Fish.example.org","ip":"46.43.0.131","request_id":"17",)" + kResults);
  check_body(render_rest(expiration("&ip=192.0.2.1"), ReplyBody{ExpirationReport{}}), 200,
             R"({"domain":"Fish.example.org","ip":"192.0.2.1","certificate_found":false,)"
             R"("renewal_due":false,"expired_found":false,"results":[],"status":"success"})");
  check_body(failed(expiration(), ErrorKind::not_registered), 404,
             R"({"domain":"Fish.example.org","status":"not-registered"})");
  check_body(failed(expiration("&request_id=%22"), ErrorKind::not_registered), 404,
             R"({"domain":"Fish.example.org","request_id":"\"","status":"not-registered"})");
  check_body(failed(expiration(), ErrorKind::key_unknown), 401, R"({"error":"Unauthenticated."})");
  for (const auto kind : {ErrorKind::internal, ErrorKind::unavailable, ErrorKind::store_full}) {
    check_body(failed(expiration(), kind), 503,
               R"({"domain":"Fish.example.org","status":"error"})");
  }
  const HttpResponse fast = failed(expiration(), ErrorKind::too_many, 31);
  check_body(fast, 429, R"({"message":"Too Many Attempts."})");
  CHECK(field_of(fast, "Retry-After") == "31");
}

TEST_CASE("certificate/add") {
  check_body(render_rest(certificate(), ReplyBody{CertificateAdded{kId, kName, 2}}), 200,
             R"({"status":"success","id":")" + kId + R"(","key":")" + kName + "\"}");
  check_body(failed(certificate(), ErrorKind::conflict), 409, R"({"status":"already-inserted"})");
  check_body(failed(certificate(), ErrorKind::internal), 500, R"({"status":"error"})");
  check_body(failed(certificate(), ErrorKind::unavailable), 503, R"({"status":"error"})");
  check_body(failed(certificate(), ErrorKind::key_unknown), 401, R"({"error":"Unauthenticated."})");
  check_body(
      failed(certificate(), ErrorKind::invalid_value), 422,
      R"({"message":"The given data was invalid.","errors":{"certificate":["what to do"]}})");
}

TEST_CASE("the other routes answer alike") {
  const std::string base = "/api/v1.0/servers";
  check_body(render_rest(keyed("/api/v1.0/user"), ReplyBody{UserName{"a@example.org"}}), 200,
             R"({"user":"a@example.org"})");
  check_body(render_rest(keyed("/api/v1.0/user"), ReplyBody{UserName{}}), 200, R"({"user":null})");
  check_body(render_rest(keyed(base), ReplyBody{DomainPage{{"a.org", "b.org:25"}, true}}), 200,
             R"({"status":"success","domains":["a.org","b.org:25"],"more":true})");
  check_body(render_rest(keyed(base), ReplyBody{DomainPage{}}), 200,
             R"({"status":"success","domains":[],"more":false})");
  const RestCall remove = keyed(base + "/a.org", HttpMethod::del);
  check_body(render_rest(remove, ReplyBody{Removed{}}), 200,
             R"({"status":"success","domain":"a.org"})");
  check_body(failed(remove, ErrorKind::not_registered), 404,
             R"({"domain":"a.org","status":"not-registered"})");
  const RestCall scan = post(base + "/scan?api_key=" + kRestKey, R"({"domain":"a.org"})").call();
  check_body(render_rest(scan, ReplyBody{ScanStarted{}}), 200,
             R"({"status":"success","domain":"a.org"})");
  const AddressRow address{*IpAddress::parse("192.0.2.1"), "expired"};
  check_body(
      render_rest(keyed(base + "/addresses/a.org"), ReplyBody{AddressPage{{address}, false}}), 200,
      R"({"status":"success","addresses":[{"ip":"192.0.2.1","problem":"expired"}],)"
      R"("more":false})");
  const RestCall check = keyed(base + "/check/a.org");
  check_body(render_rest(check, ReplyBody{CheckResult{"a.org", CheckState::critical, -3, 28,
                                                      "expired", "expired 3 days ago"}}),
             200,
             R"({"status":"success","domain":"a.org","state":"CRITICAL","code":2,"days_left":-3,)"
             R"("problem":"expired",)"
             R"("text":"CRITICAL - a.org: expired 3 days ago | days_left=-3;28;0"})");
  const RestCall notify = keyed("/api/v1.0/notify");
  check_body(render_rest(notify, ReplyBody{NotifyState{"a@example.org", true, Digest::weekly}}),
             200,
             R"({"status":"success","address":"a@example.org","mail":"on","digest":"weekly"})");
  check_body(render_rest(notify, ReplyBody{NotifyState{}}), 200,
             R"({"status":"success","address":null,"mail":"on","digest":"off"})");
  const RestCall confirm = post("/api/v1.0/confirm", R"({"token":")" + kRestToken + "\"}").call();
  check_body(render_rest(confirm, ReplyBody{Confirmed{TokenPurpose::revoke}}), 200,
             R"({"status":"success","purpose":"revoke"})");
  const RestCall status = get("/api/status").call();
  check_body(render_rest(status, ReplyBody{StatusReport{"0.1", 5, 1, 2, 3, 4, 6, 7}}), 200,
             R"({"status":"success","version":"0.1","uptime_s":5,"accounts":1,"names":2,)"
             R"("endpoints":3,"certificates":4,"connections":6,"scans_in_flight":7})");
  CHECK_FALSE(render_rest(status, ReplyBody{StatusReport{}}).secret);
}

TEST_CASE("errors without a body of their own are problem documents") {
  const HttpResponse response = failed(get("/api/status").call(), ErrorKind::unavailable);
  CHECK(response.status == 503);
  CHECK(response.content_type == "application/problem+json");
  CHECK(
      response.body ==
      R"({"type":"about:blank","title":"Service Unavailable","status":503,"detail":"what to do"})");
  CHECK(failed(get("/api/status").call(), ErrorKind::too_many, 7).content_type ==
        "application/problem+json");
  CHECK(failed(keyed("/api/v1.0/user"), ErrorKind::unavailable).content_type ==
        "application/problem+json");
  CHECK(failed(keyed("/api/v1.0/user"), ErrorKind::key_unknown).body ==
        R"({"error":"Unauthenticated."})");
  CHECK(problem(431, "").body ==
        R"({"type":"about:blank","title":"Request Header Fields Too Large","status":431})");
}

TEST_CASE("every error on every route has a status of its kind and a body that is JSON or a page") {
  const RestCall calls[] = {claim(),
                            add(),
                            expiration(),
                            certificate(),
                            keyed("/api/v1.0/user"),
                            get("/api/status").call(),
                            Http{HttpMethod::post, "/confirm/" + kRestToken}.call()};
  for (const RestCall& call : calls) {
    for (int i = 0; i < 12; ++i) {
      const auto kind = static_cast<ErrorKind>(i);
      const HttpResponse response =
          render_rest(call, Error{kind, "<b>\"\x01\xff", kind == ErrorKind::too_many ? 3u : 0u});
      INFO(response.body);
      CHECK(response.status / 100 == (i < 9 && response.status < 500 ? 4 : 5));
      if (response.content_type.starts_with("text/html")) {
        CHECK(response.body.find("<b>") == std::string::npos);
        CHECK(response.body.find('\x01') == std::string::npos);
      } else {
        CHECK(boost::json::parse(response.body).is_object());
      }
      CHECK((field_of(response, "Retry-After") == "3") == (kind == ErrorKind::too_many));
    }
  }
}

TEST_CASE("links in mails: a page that asks, a page that tells, and no way to act by looking") {
  const std::pair<std::string, TokenPurpose> rows[] = {
      {"confirm", TokenPurpose::confirm},
      {"revoke", TokenPurpose::revoke},
      {"block-keys", TokenPurpose::block_keys},
      {"block-account", TokenPurpose::block_account},
      {"unsubscribe", TokenPurpose::unsubscribe}};
  for (const auto& [word, purpose] : rows) {
    const std::string target = '/' + word + '/' + kRestToken;
    INFO(target);
    const HttpResponse asked = get(target).answer();
    CHECK(asked.status == 200);
    CHECK(asked.content_type == "text/html; charset=utf-8");
    CHECK(asked.secret);
    CHECK_THAT(asked.body, Catch::Contains("<form method=\"post\"><button"));
    CHECK(asked.body.find("<script") == std::string::npos);
    CHECK(asked.body.find("://") == std::string::npos);
    CHECK_THAT(field_of(asked, "Content-Security-Policy"), Catch::StartsWith("default-src 'none'"));
    CHECK(field_of(asked, "Referrer-Policy") == "no-referrer");

    // One-click unsubscription posts a form of its own, as either kind of form.
    Http http{HttpMethod::post, target, "List-Unsubscribe=One-Click", "multipart/form-data"};
    const RestCall call = http.call();
    const auto& confirm = std::get<ConfirmToken>(call.request);
    CHECK(confirm.token.text() == kRestToken);
    CHECK(confirm.purpose == purpose);
    const HttpResponse done = render_rest(call, ReplyBody{Confirmed{purpose}});
    CHECK(done.status == 200);
    CHECK(done.content_type == "text/html; charset=utf-8");
    CHECK(done.secret);
    CHECK(done.body.find("<form") == std::string::npos);
    const HttpResponse used = failed(call, ErrorKind::not_registered);
    CHECK(used.status == 404);
    CHECK_THAT(used.body, Catch::Contains("<p>what to do</p>"));

    http.target = '/' + word + "/nonsense";
    CHECK(get(http.target).answer().status == 404);
    CHECK(http.answer().status == 404);
    CHECK(http.answer().content_type == "text/html; charset=utf-8");
  }
}

TEST_CASE("a client that asks too often is told once when to come back") {
  const HttpResponse direct = too_many_attempts(7);
  CHECK(direct.status == 429);
  CHECK(direct.body == R"({"message":"Too Many Attempts."})");
  const RestCall call = get("/api/v1.0/user?api_key=" + kRestKey).call();
  const HttpResponse rendered = render_rest(call, Error{ErrorKind::too_many, "too fast", 7});
  CHECK(rendered.body == direct.body);
  REQUIRE(rendered.fields.size() == 1);
  CHECK(rendered.fields == direct.fields);
  CHECK(rendered.fields[0] == std::pair<std::string_view, std::string>("Retry-After", "7"));
}
