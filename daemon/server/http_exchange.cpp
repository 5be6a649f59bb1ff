// Takes a request that the gate let through to its route, to the service, and back to bytes. Reads
// are answered at once. Writes and waits are answered when they are done. Next: http/answer.cpp.
#include <exception>

#include "daemon/server/http_connection.hpp"

namespace certline::server {
namespace {

constexpr std::size_t kRecalledHeadBytes = 512;

}  // namespace

// A head that the gate let through before, byte for byte, needs no second look.
std::size_t HttpConnection::recall(std::string_view bytes) {
  if (gate_.stage() != http::HttpGate::Stage::idle || !bytes.starts_with("GET ")) return 0;
  const runtime::Settings& settings = *host_.settings();
  if (served_ + 1 >= limits().requests_per_connection || draining_ ||
      !is_exempt(caller_.source, settings.config.rates) ||
      host_.log.enabled(runtime::LogLevel::debug)) {
    return 0;
  }
  const std::size_t end = bytes.substr(0, kRecalledHeadBytes).find("\r\n\r\n");
  if (end == bytes.npos) return 0;
  const UtcTime utc = host_.service.parts().now();
  const std::string_view known =
      host_.recent.find(bytes.substr(0, end + 4), settings.generation, utc);
  if (known.empty()) return 0;
  http::append_answer_start(output(), 200, utc);
  out_ += known;
  ++served_;
  ++turn_;
  stage_since_ = now_;
  return end + 4;
}

http::HttpAnswerStyle HttpConnection::style_for(const http::HttpHead& head) const {
  const bool stays = head.keep_alive && !draining_ && served_ < limits().requests_per_connection;
  return {head.method == HttpMethod::head, stays, head.minor_version};
}

void HttpConnection::serve_request(http::HttpIncoming incoming, std::string_view raw) {
  ++served_;
  ++turn_;
  stage_since_ = now_;
  const http::HttpAnswerStyle style = style_for(incoming.head);
  if (host_.log.enabled(runtime::LogLevel::debug)) {
    host_.log.write(runtime::LogLevel::debug, "request",
                    {{"source", caller_.source.to_string()},
                     {"method", method_name(incoming.head.method)},
                     {"target", rest::loggable_target(incoming.head.target)}});
  }
  try {
    auto parsed = parse_rest(incoming.view(), host_.settings()->config.domain_rules());
    if (auto* call = std::get_if<RestCall>(&parsed)) {
      const bool plain =
          incoming.head.method == HttpMethod::get && incoming.body.empty() && style.keep_alive;
      return execute(std::move(*call), style, plain ? raw : std::string_view());
    }
    const auto refused = too_fast(nullptr);
    answer(refused ? *refused : std::get<HttpResponse>(parsed), style);
  } catch (const std::exception& failure) {
    host_.log.write_limited(runtime::LogLevel::error, "request_failed", {{"what", failure.what()}});
    under_way_.reset();
    refuse(500, "the daemon could not do this; its log says why");
  }
}

// What a client that asks too often is told (as the documented routes say it).
std::optional<HttpResponse> HttpConnection::too_fast(const RestCall* call) {
  const ApiKey* key = call == nullptr ? nullptr : key_of(call->request);
  const std::uint32_t wait = seconds_to_wait(key != nullptr ? key->text() : std::string_view());
  if (wait == 0) return {};
  const RateLimits& rates = host_.settings()->config.rates;
  HttpResponse response = rest::too_many_attempts(wait);
  const std::uint32_t rate = key != nullptr ? rates.key_per_minute : rates.source_per_minute;
  response.fields.insert(response.fields.begin(), {{"X-RateLimit-Limit", std::to_string(rate)},
                                                   {"X-RateLimit-Remaining", "0"}});
  response.fields.emplace_back("X-RateLimit-Reset",
                               std::to_string(host_.service.parts().now() + wait));
  return response;
}

void HttpConnection::execute(RestCall call, const http::HttpAnswerStyle& style,
                             std::string_view raw) {
  if (const auto refused = too_fast(&call)) return answer(*refused, style);
  under_way_ = std::make_unique<UnderWay>(UnderWay{std::move(call), style, raw});
  const Request& request = under_way_->call.request;
  const auto* expiration = std::get_if<GetExpiration>(&request);
  if (expiration != nullptr && expiration->wait_s > 0) {
    await_scan(request, host_.service.parts().now(),
               now_ + std::chrono::seconds(expiration->wait_s), 0);
  } else {
    ask(request, 0);
  }
  if (under_way_) under_way_->raw = {};
}

void HttpConnection::on_answer(Slot, const service::Service::Answered& said) {
  if (closed_ || !under_way_) return;
  const auto done = std::move(under_way_);
  log_failure(said.reply);
  http::HttpAnswerStyle style = done->style;
  style.keep_alive = style.keep_alive && !draining_;
  stage_since_ = now_;
  const HttpResponse response = render_rest(done->call, said.reply);
  answer(response, style);
  if (said.basis && !done->raw.empty() && style.keep_alive && response.status == 200) {
    keep(done->raw, response, style, *said.basis);
  }
}

void HttpConnection::answer(const HttpResponse& response, const http::HttpAnswerStyle& style) {
  http::append_answer_start(output(), response.status, host_.service.parts().now());
  http::append_answer_rest(out_, response, style);
  if (!style.keep_alive) ending_ = true;
}

void HttpConnection::keep(std::string_view raw, const HttpResponse& response,
                          const http::HttpAnswerStyle& style,
                          const service::RecentAnswers::Basis& basis) {
  if (!host_.recent.keeps_this_one()) return;
  std::string rest;
  http::append_answer_rest(rest, response, style);
  host_.recent.keep(raw, rest, basis);
}

// The last answer of a connection: nothing behind it is read as a request.
void HttpConnection::refuse(int status, std::string_view detail) {
  host_.log.write_limited(runtime::LogLevel::info, "http_refused",
                          {{"source", caller_.source.to_string()},
                           {"status", std::int64_t{status}},
                           {"reason", detail}});
  input_.clear();
  answer(rest::problem(status, detail), {false, false, 1});
}

}  // namespace certline::server
