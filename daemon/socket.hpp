#pragma once
// A connected, non-blocking TCP socket: owned, read and written, nothing else.

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>

namespace certline::daemon {

class Socket {
 public:
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  ~Socket() { close(); }
  Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  enum class Outcome : std::uint8_t { done, would_block, end, failed };
  struct Moved {
    Outcome outcome = Outcome::failed;
    std::size_t bytes = 0;  // with `done`
  };
  Moved read(std::span<char> into) const;
  Moved write(std::string_view bytes) const;

  void set_no_delay() const;
  void shut_writing() const;
  void close();
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

}  // namespace certline::daemon
