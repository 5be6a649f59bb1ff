#pragma once
// A connected, non-blocking socket, plain or with TLS: owned, read and written, nothing else.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace certline::server {

class TlsSession;

class Socket {
 public:
  explicit Socket(int descriptor);
  ~Socket();
  Socket(Socket&& other) noexcept;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  enum class Outcome : std::uint8_t { done, would_block, end, failed };
  struct Moved {
    Outcome outcome = Outcome::failed;
    std::size_t bytes = 0;  // with `done`
  };
  // With TLS, one read gives at most one record: read until it would block, and give it
  // kReadAtLeast bytes, so that nothing stays behind where no descriptor tells of it. After a
  // `would_block` of write(), the same bytes come first in the next write().
  static constexpr std::size_t kReadAtLeast = 16 * 1024;
  Moved read(std::span<char> into) const;
  Moved write(std::string_view bytes) const;
  // A read that would block may wait for room to write: TLS answers some messages by itself.
  bool read_waits_to_write() const { return tls_ != nullptr && tls_waits_to_write(); }

  void set_no_delay() const;
  void shut_writing() const;
  void close();
  int descriptor() const { return descriptor_; }

  void secure(std::unique_ptr<TlsSession> tls);  // after its handshake, on this descriptor
  bool is_secure() const { return tls_ != nullptr; }

 private:
  bool tls_waits_to_write() const;
  int descriptor_;
  std::unique_ptr<TlsSession> tls_;
};

}  // namespace certline::server
