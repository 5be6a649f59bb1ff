#pragma once
// What connections of both wires share: one stream, one timer, reading and writing in turns,
// waiting for writes and scans, and an end that lets the client read its last answer. The hooks are
// the wire's. It belongs to its server thread.

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/server/connection.hpp"
#include "daemon/server/stream.hpp"
#include "protocol/request.hpp"

namespace certline::server {

class StreamConnection : public Connection, public std::enable_shared_from_this<StreamConnection> {
 public:
  void start() final;
  void endpoint_scanned() final;
  void drain() final;
  void close() final;
  void read_on();  // for the host, at the end of a turn

 protected:
  using Clock = std::chrono::steady_clock;
  using TimePoint = Clock::time_point;
  using Slot = std::uint64_t;  // the wire's name for a request, until its reply came

  StreamConnection(ConnectionHost& host, Stream stream, const service::Caller& caller,
                   std::uint64_t id);

  // The hooks. An exception from one of them costs the client its connection.
  virtual bool wants_input() const = 0;  // while the input hasn't ended
  virtual void on_bytes(std::string_view bytes) = 0;
  virtual void on_end_of_input() {}
  virtual void serve() = 0;  // after each event: answers what is there, and flushes
  virtual TimePoint deadline() const = 0;
  virtual void on_deadline() = 0;
  virtual void on_answer(Slot slot, const service::Service::Answered& said) = 0;
  virtual void on_drain() = 0;
  virtual void on_sent(std::size_t) {}

  // For the hooks.
  std::uint32_t seconds_to_wait(std::string_view key);  // this request counts against the limits
  // on_answer() comes before this returns, or once a commit is over.
  void ask(const Request& request, Slot slot);
  // The same once the name was scanned after `received_utc`, or with what is known at `until`.
  void await_scan(const Request& request, UtcTime received_utc, TimePoint until, Slot slot);
  bool awaits_scan() const { return wait_ != nullptr; }
  void log_failure(const Reply& reply) const;
  void serve_later();     // after the others
  std::string& output();  // for answers; memory of the thread's where there was none
  std::size_t unsent() const { return out_.size() - out_sent_; }
  bool send_output();  // false: it blocks, or the connection is closed
  void finish();       // closes behind what was sent

  ConnectionHost& host_;
  const service::Caller caller_;
  std::string out_;
  TimePoint now_;         // when the event came that is being served
  bool blocked_ = false;  // output waits for room in the socket
  bool input_ended_ = false, lingering_ = false, draining_ = false, closed_ = false;

 private:
  struct Wait {
    Request request;
    UtcTime received_utc;
    TimePoint until;
    Slot slot;
    std::optional<EndpointId> registered;  // with the host
  };
  static constexpr std::size_t kFirstBytes = 512;

  template <class Work>
  void guarded(const Work& work);
  void crashed(const std::exception& failure);
  bool reads() const { return !input_ended_ && (lingering_ || wants_input()); }
  void on_input(const boost::system::error_code& ec, std::size_t size);
  void on_readable();
  void read_available(std::size_t before = 0);
  void take(std::string_view bytes);
  void end_input();
  void check_overdue();
  void await_events();
  void await_room();
  void await_end();
  void arm_timer();
  void on_timer();
  void pump();
  void try_waiting(bool give_up);
  void stop_waiting();

  Stream stream_;
  boost::asio::steady_timer timer_;
  const std::uint64_t id_;
  std::size_t out_sent_ = 0, discarded_ = 0;
  std::unique_ptr<Wait> wait_;
  TimePoint armed_until_ = TimePoint::max();
  TimePoint linger_until_ = TimePoint::max();
  bool reading_ = false, read_queued_ = false, serve_queued_ = false;
  bool awaiting_room_ = false, awaiting_end_ = false;
  bool overdue_ = false;                 // what has arrived is looked at before on_deadline()
  std::array<char, kFirstBytes> first_;  // of what comes next; the rest goes to host_.read_buffer
};

}  // namespace certline::server
