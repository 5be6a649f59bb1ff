#pragma once
// HTTP/1.1 on one socket. Belongs to its server thread. One request is served at a time, in the
// order in which they came.

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>

#include "daemon/server/connection.hpp"
#include "daemon/server/http/answer.hpp"
#include "daemon/server/http/gate.hpp"

namespace certline::server {

using rest::HttpResponse;
using rest::RestCall;

class HttpConnection final : public Connection,
                             public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(ConnectionHost& host, Socket socket, const service::Caller& caller,
                 std::uint64_t id)
      : host_(host), socket_(std::move(socket)), caller_(caller), id_(id) {}

  void start() override;
  void on_ready(Readiness ready) override;
  void on_timer() override;
  void endpoint_scanned() override;
  void drain() override;
  void close() override;

 private:
  using Clock = std::chrono::steady_clock;
  using TimePoint = Clock::time_point;

  // A request whose answer takes until a commit or a scan.
  struct UnderWay {
    RestCall call;
    http::HttpAnswerStyle style;
    UtcTime received_utc = 0;
    TimePoint until = TimePoint::max();  // of a `wait`
    bool waits = false;
    std::optional<EndpointId> registered;  // with the host
  };

  // No exception gets into the loop; whose request raised one loses his connection.
  template <class Work>
  void guarded(const Work& work) {
    try {
      now_ = Clock::now();
      work();
    } catch (const std::exception& failure) {
      crashed(failure);
    }
  }
  void crashed(const std::exception& failure);
  const HttpLimits& limits() const { return host_.settings()->config.http.limits; }
  bool wants_input() const;
  void update_interest();
  void arm_timer();
  TimePoint deadline() const;
  void on_deadline();
  void read_available();
  void offer(std::string_view bytes);
  std::size_t offer_one(std::string_view bytes);
  std::size_t recall(std::string_view bytes);
  void note_stage();
  void serve(http::HttpIncoming incoming, std::string_view raw);
  void execute(RestCall call, const http::HttpAnswerStyle& style, std::string_view raw);
  void ask(std::string_view raw);
  void answer_at_once(const service::Service::Answered& said, std::string_view raw);
  std::optional<HttpResponse> too_fast(const RestCall* call);
  void try_waiting(bool give_up);
  void stop_waiting();
  void finish_under_way(const Reply& reply);
  http::HttpAnswerStyle style_for(const http::HttpHead& head) const;
  void answer(const HttpResponse& response, const http::HttpAnswerStyle& style);
  void keep(std::string_view raw, const HttpResponse& response, const http::HttpAnswerStyle& style,
            const service::RecentAnswers::Basis& basis);
  void refuse(int status, std::string_view detail);
  void log_failure(const Reply& reply) const;
  std::string& output();
  void pump();
  void schedule_pump();
  void flush();
  void drop_written();
  void finish();

  ConnectionHost& host_;
  Socket socket_;
  const service::Caller caller_;
  const std::uint64_t id_;
  http::HttpGate gate_;
  std::string input_;  // came while a request was under way
  std::string out_;
  std::size_t out_sent_ = 0, discarded_ = 0, served_ = 0, turn_ = 0;
  std::unique_ptr<UnderWay> under_way_;
  TimePoint now_{}, stage_since_{};
  TimePoint armed_until_ = TimePoint::max();
  TimePoint write_until_ = TimePoint::max();
  TimePoint linger_until_ = TimePoint::max();
  http::HttpGate::Stage stage_ = http::HttpGate::Stage::idle;
  Readiness interest_;
  bool blocked_ = false;  // output waits for room in the socket
  bool ending_ = false;   // closes behind what is in out_
  bool pump_scheduled_ = false, draining_ = false;
  bool input_ended_ = false, lingering_ = false, closed_ = false;
};

std::shared_ptr<Connection> make_http_connection(ConnectionHost& host, Socket socket,
                                                 const service::Caller& caller, std::uint64_t id);

}  // namespace certline::server
