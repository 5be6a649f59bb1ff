#pragma once
// One socket of the line protocol around a LineSession. Belongs to its server thread.

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "daemon/server/connection.hpp"
#include "protocol/line/session.hpp"

namespace certline::server {

using line::LineMemory;
using line::LineSession;

class LineConnection final : public Connection,
                             public std::enable_shared_from_this<LineConnection>,
                             private LineMemory {
 public:
  LineConnection(ConnectionHost& host, Socket socket, const service::Caller& caller,
                 std::uint64_t id);

  void start() override;
  void on_ready(Readiness ready) override;
  void on_timer() override;
  void endpoint_scanned() override;  // looks again whether its `wait` is satisfied
  void drain() override;             // answers what is under way, then closes
  void close() override;

 private:
  using Clock = std::chrono::steady_clock;

  struct Waiting {
    LineSession::Slot slot;
    Request request;
    UtcTime received_utc;
    Clock::time_point until;
    std::optional<EndpointId> registered;  // with the host
  };

  void update_interest();
  void on_readable();
  bool recall(std::string_view line, Clock::time_point now, std::string& out) override;
  void read_available();
  void arm_timer();
  void pump();
  void schedule_pump();
  void log_request(const Request& request, const ApiKey* key);
  void execute(LineSession::Execute work);
  void ask(const LineSession::Execute& work);
  void try_waiting(bool give_up);
  void stop_waiting();
  void answer(LineSession::Slot slot, const Reply& reply);
  void drop_written();
  void flush();
  void finish();

  ConnectionHost& host_;
  Socket socket_;
  const service::Caller caller_;
  const std::uint64_t id_;
  LineSession session_;
  std::string out_;
  std::size_t out_sent_ = 0;
  std::size_t written_ = 0;
  std::size_t discarded_ = 0;
  std::unique_ptr<Waiting> waiting_;
  Clock::time_point armed_until_ = Clock::time_point::max();
  Clock::time_point linger_until_ = Clock::time_point::max();
  Readiness interest_;
  bool writing_ = false, pump_scheduled_ = false;  // writing_: output waits for room in the socket
  bool input_ended_ = false, lingering_ = false, closed_ = false;
};

}  // namespace certline::server
