#pragma once
// A connection of a TLS port before it speaks its protocol. It waits for the ClientHello in the
// kernel's buffer, then does the handshake. Then a connection of the wire takes its place.

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>

#include "daemon/server/client_hello.hpp"
#include "daemon/server/connection.hpp"
#include "daemon/server/ports.hpp"
#include "daemon/server/stream.hpp"
#include "daemon/server/tls_identity.hpp"

namespace certline::server {

class PendingHandshake final : public Connection,
                               public std::enable_shared_from_this<PendingHandshake> {
 public:
  // Called at most once: the stream speaks TLS now, and the id is free for a connection.
  using Secured = std::function<void(Stream)>;

  PendingHandshake(ConnectionHost& host, TlsIdentityPtr identity, Wire wire, Stream stream,
                   const service::Caller& caller, std::uint64_t id, Secured secured);
  ~PendingHandshake() override;

  void start() override;
  void drain() override { close(); }
  void close() override;

 private:
  using Clock = std::chrono::steady_clock;

  void await(Stream::Socket::wait_type what);
  void on_ready();
  void set_timer(Clock::time_point due);
  void on_timer();
  void look();
  void await_bytes(std::size_t needed);
  void wake_from(std::size_t bytes);
  void begin();
  void step();
  void refuse_plain(std::size_t got);
  void give_up(std::string_view why);
  void leave_limits();

  ConnectionHost& host_;
  const TlsIdentityPtr identity_;
  const Wire wire_;
  Stream stream_;
  boost::asio::steady_timer timer_;
  const service::Caller caller_;
  const std::uint64_t id_;
  const Secured secured_;
  std::unique_ptr<TlsSession> session_;
  const Clock::time_point deadline_;
  std::size_t awaited_ = 0;
  bool waiting_ = false, counted_ = false, over_ = false;
};

}  // namespace certline::server
