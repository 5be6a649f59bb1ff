#pragma once
// HTTP/1.1 on one connection. It serves one request at a time, in the order of arrival.

#include <memory>
#include <optional>
#include <string>

#include "daemon/server/http/answer.hpp"
#include "daemon/server/http/gate.hpp"
#include "daemon/server/stream_connection.hpp"

namespace certline::server {

using rest::HttpResponse;
using rest::RestCall;

class HttpConnection final : public StreamConnection {
 public:
  HttpConnection(ConnectionHost& host, Stream stream, const service::Caller& caller,
                 std::uint64_t id);

 private:
  struct UnderWay {
    RestCall call;
    http::HttpAnswerStyle style;
    std::string_view raw;  // its bytes, while they are there; only of what may be kept
  };

  bool wants_input() const override;
  void on_bytes(std::string_view bytes) override { offer(bytes); }
  void serve() override;
  TimePoint deadline() const override;
  void on_deadline() override;
  void on_answer(Slot, const service::Service::Answered& said) override;
  void on_drain() override;

  const HttpLimits& limits() const { return host_.settings()->config.http.limits; }
  void offer(std::string_view bytes);
  std::size_t offer_one(std::string_view bytes);
  std::size_t recall(std::string_view bytes);
  void note_stage();
  void serve_request(http::HttpIncoming incoming, std::string_view raw);
  void execute(RestCall call, const http::HttpAnswerStyle& style, std::string_view raw);
  std::optional<HttpResponse> too_fast(const RestCall* call);
  http::HttpAnswerStyle style_for(const http::HttpHead& head) const;
  void answer(const HttpResponse& response, const http::HttpAnswerStyle& style);
  void keep(std::string_view raw, const HttpResponse& response, const http::HttpAnswerStyle& style,
            const service::RecentAnswers::Basis& basis);
  void refuse(int status, std::string_view detail);
  void flush();

  http::HttpGate gate_;
  std::string input_;  // came while a request was under way
  std::size_t served_ = 0, turn_ = 0;
  std::unique_ptr<UnderWay> under_way_;
  TimePoint stage_since_;
  TimePoint write_until_ = TimePoint::max();
  http::HttpGate::Stage stage_ = http::HttpGate::Stage::idle;
  bool ending_ = false;  // closes behind what is in out_
};

}  // namespace certline::server
