#pragma once
// TLS on a connected, non-blocking socket, server side. It belongs to its server thread.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct ssl_st;

namespace certline::server {

// What came of a read or a write that didn't wait.
enum class Outcome : std::uint8_t { done, would_block, end, failed };
struct Moved {
  Outcome outcome = Outcome::failed;
  std::size_t bytes = 0;  // with `done`
};

class TlsSession {
 public:
  // Which ALPN protocol (RFC 7301) a client may ask for. The line protocol has none, and says
  // nothing to an offer.
  enum class Alpn : std::uint8_t { none, http };

  TlsSession(ssl_st* owned, Alpn alpn);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  enum class Step : std::uint8_t { done, wants_read, wants_write, failed };
  Step handshake();
  const std::string& failure() const { return failure_; }  // why a handshake failed, for the log

  // As Stream's. One read takes at most one record, so what it leaves is still the kernel's and
  // makes the descriptor ready.
  Moved read(std::span<char> into);
  Moved write(std::string_view bytes);
  bool read_waits_to_write() const { return read_waits_to_write_; }
  void end_writing();  // close_notify, once

  Alpn alpn() const { return alpn_; }
  void count_message() { ++messages_in_a_row_; }  // of the handshake protocol, from the client

 private:
  Moved failed();

  struct Free {
    void operator()(ssl_st* ssl) const;
  };
  std::unique_ptr<ssl_st, Free> ssl_;
  std::string failure_;
  unsigned messages_in_a_row_ = 0;
  const Alpn alpn_;
  bool ready_ = false, broken_ = false, ended_ = false, read_waits_to_write_ = false;
};

}  // namespace certline::server
