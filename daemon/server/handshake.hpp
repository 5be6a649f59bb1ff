#pragma once
// A guest of a TLS listener until he may speak: his ClientHello is awaited in the kernel's buffer,
// then the handshake is made, and a connection of the wire takes his place.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "daemon/server/connection.hpp"
#include "daemon/server/listeners.hpp"
#include "daemon/server/tls_identity.hpp"

namespace certline::server {

inline constexpr std::size_t kClientHelloBytes = 16 * 1024;  // the longest that is looked at

// What the first bytes of a TLS connection ask for (RFC 8446 5.1, 4).
struct HelloLook {
  enum class Verdict : std::uint8_t { wait, begin, refuse } verdict = Verdict::wait;
  std::size_t needed = 0;  // with `wait`: bytes from the start
};
// `first`: what is there. `begin` as soon as the first record is whole; `refuse` for anything but a
// ClientHello, and for one that announces more than kClientHelloBytes.
HelloLook look_at_hello(std::span<const char> first);

class Handshake final : public Connection {
 public:
  // Called at most once: the guest's socket speaks TLS now, and his id is free for a connection.
  using Secured = std::function<void(Socket)>;

  Handshake(ConnectionHost& host, TlsIdentityPtr identity, Wire wire, Socket socket,
            const service::Caller& caller, std::uint64_t id, Secured secured);
  ~Handshake() override;

  void start() override;
  void on_ready(Readiness ready) override;
  void on_timer() override;
  void endpoint_scanned() override {}
  void drain() override { close(); }
  void close() override;

 private:
  using Clock = EventLoop::Clock;

  void look();
  void await_bytes(std::size_t needed);
  void wake_from(int bytes);
  void begin();
  void step();
  void refuse_plain(std::size_t got);
  void give_up(std::string_view why);
  void leave_limits();
  void set_timer(Clock::time_point due);
  void set_interest(Readiness wanted);

  ConnectionHost& host_;
  const TlsIdentityPtr identity_;
  const Wire wire_;
  Socket socket_;
  const service::Caller caller_;
  const std::uint64_t id_;
  const Secured secured_;
  std::unique_ptr<TlsSession> session_;
  const Clock::time_point deadline_;
  Clock::time_point armed_ = EventLoop::kNever;
  std::size_t awaited_ = 0;
  Readiness interest_{true};
  bool counted_ = false, over_ = false;
};

}  // namespace certline::server
