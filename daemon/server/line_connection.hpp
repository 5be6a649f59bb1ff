#pragma once
// One connection of the line protocol, around a LineSession.

#include <string_view>

#include "daemon/server/stream_connection.hpp"
#include "protocol/line/session.hpp"

namespace certline::server {

using line::LineMemory;
using line::LineSession;

class LineConnection final : public StreamConnection, private LineMemory {
 public:
  LineConnection(ConnectionHost& host, Stream stream, const service::Caller& caller,
                 std::uint64_t id);

 private:
  bool wants_input() const override;
  void on_bytes(std::string_view bytes) override { session_.on_bytes(bytes, now_); }
  void on_end_of_input() override { session_.on_eof(now_); }
  void serve() override;
  TimePoint deadline() const override { return session_.deadline(); }
  void on_deadline() override { session_.on_time(now_); }
  void on_answer(Slot slot, const service::Service::Answered& said) override {
    answer(slot, said.reply);
  }
  void on_drain() override { session_.drain(); }
  void on_sent(std::size_t bytes) override;

  bool recall(std::string_view line, TimePoint now, std::string& out) override;
  void log_request(const Request& request, const ApiKey* key);
  void execute(const LineSession::Execute& work);
  void answer(Slot slot, const Reply& reply);
  void flush();
  void say_goodbye();

  LineSession session_;
  std::size_t written_ = 0;
};

}  // namespace certline::server
