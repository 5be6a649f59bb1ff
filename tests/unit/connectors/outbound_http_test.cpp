// POST to receivers that answer well, badly, too much or not at all.
#include "connectors/outbound_http.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "http_receiver.hpp"

namespace certline::connectors {
namespace {

using namespace test;

const std::atomic<bool> kGoOn{false};

HttpPost to(const std::string& url) {
  HttpPost request;
  request.url = url;
  request.body = "{\"a\":1}";
  request.headers = {{"Content-Type", "application/json"}, {"Certline-Empty", ""}};
  return request;
}

}  // namespace

TEST_CASE("a POST arrives as it was meant") {
  ::setenv("http_proxy", "http://127.0.0.1:9", 1);  // the environment counts for nothing
  const HttpReceiver receiver([](const Received&) { return http_answer(201, "thanks"); });
  HttpPost request = to(receiver.url());
  request.body = std::string(100'000, 'x');
  const auto answer = post(request, kGoOn);
  ::unsetenv("http_proxy");
  REQUIRE(answer.has_value());
  CHECK(answer->status == 201);
  CHECK(answer->body == "thanks");
  const auto got = receiver.received();
  REQUIRE(got.size() == 1);
  CHECK(got[0].request_line == "POST /hook HTTP/1.1");
  CHECK(got[0].body == request.body);
  CHECK(got[0].headers.at("content-type") == "application/json");
  CHECK(got[0].headers.at("certline-empty").empty());
  CHECK(got[0].headers.count("expect") == 0);
}

TEST_CASE("any status is an answer, and no redirect is followed") {
  const HttpReceiver elsewhere([](const Received&) { return http_answer(200); });
  const HttpReceiver receiver([&](const Received&) {
    return http_answer(307, "", "Location: " + elsewhere.url() + "\r\n");
  });
  CHECK(post(to(receiver.url()), kGoOn)->status == 307);
  CHECK(elsewhere.received().empty());
  const HttpReceiver gone([](const Received&) { return http_answer(410, "bye"); });
  CHECK(post(to(gone.url()), kGoOn)->status == 410);
}

TEST_CASE("an answer may not be longer than it may") {
  const HttpReceiver receiver(
      [](const Received&) { return http_answer(200, std::string(70'000, 'x')); });
  HttpPost request = to(receiver.url());
  CHECK(post(request, kGoOn).error().kind == ErrorKind::too_long);
  request.most_response_bytes = 70'000;
  CHECK(post(request, kGoOn)->body.size() == 70'000);
}

TEST_CASE("what cannot be one line is no header") {
  for (const char* bad : {"a\r\nX: y", "a\nb", "\x01", "a\x7f"}) {
    HttpPost request = to("http://127.0.0.1:9/");
    request.headers = {{"Title", bad}};
    CHECK(post(request, kGoOn).error().kind == ErrorKind::invalid_value);
  }
  for (const char* bad : {"", "a b", "a:b", "a\r\nb"}) {
    HttpPost request = to("http://127.0.0.1:9/");
    request.headers = {{bad, "x"}};
    CHECK(post(request, kGoOn).error().kind == ErrorKind::invalid_value);
  }
}

TEST_CASE("only http and https") {
  for (const char* bad : {"file:///etc/passwd", "ftp://127.0.0.1/", "", "http://", "127.0.0.1",
                          "http://127.0.0.1/a b", "http://127.0.0.1/\r\nX: y"}) {
    CHECK(post(to(bad), kGoOn).error().kind == ErrorKind::invalid_value);
  }
}

TEST_CASE("nobody, silence and nonsense are to be tried later, in one line without the URL") {
  const HttpReceiver silent([](const Received&) { return std::string(); });
  const HttpReceiver nonsense([](const Received&) { return std::string("220 hello\r\n\r\n"); });
  for (const std::string& url :
       {std::string("http://127.0.0.1:1/secret-token"), silent.url() + "/secret-token",
        nonsense.url() + "/secret-token"}) {
    const auto answer = post(to(url), kGoOn);
    REQUIRE(answer.has_error());
    CHECK(answer.error().kind == ErrorKind::unavailable);
    CHECK(answer.error().detail.find("secret-token") == std::string::npos);
    CHECK(answer.error().detail.find('\n') == std::string::npos);
    CHECK_FALSE(answer.error().detail.empty());
  }
}

TEST_CASE("a deadline ends a wait, and a stop does") {
  const LoopbackServer deaf([](int fd, int) { scanner::test::hear_all(fd); });
  HttpPost request = to("http://127.0.0.1:" + std::to_string(deaf.port()) + "/");
  request.deadline = std::chrono::milliseconds(200);
  CHECK(post(request, kGoOn).error().kind == ErrorKind::unavailable);
  request.deadline = std::chrono::minutes(10);
  const std::atomic<bool> stopped{true};
  CHECK(post(request, stopped).error().detail == "stopped");
}

TEST_CASE("a certificate is verified") {
  const pki::test::Made leaf = pki::test::make({.names = {"IP:127.0.0.1"}});
  const scanner::test::TlsServerContext tls({&leaf}, {});
  const LoopbackServer server([&](int fd, int) { tls.serve(fd); });
  const auto answer = post(to("https://127.0.0.1:" + std::to_string(server.port()) + "/"), kGoOn);
  REQUIRE(answer.has_error());
  CHECK(answer.error().kind == ErrorKind::unavailable);
  CHECK(answer.error().detail.find("certificate") != std::string::npos);
}

}  // namespace certline::connectors
