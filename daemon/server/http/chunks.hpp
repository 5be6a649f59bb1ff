#pragma once
// Reads the framing of a chunked body (RFC 9112 7.1), byte by byte and strictly. Space around a
// size is refused; extensions and trailers must be well-formed and short. Pure.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/server/http/head.hpp"

namespace certline::server::http {

inline constexpr std::size_t kChunkedBytes = 2 * kHttpBodyBytes;  // a body as it comes, framed
inline constexpr std::size_t kChunkExtensionBytes = 1'024;        // of one body, together
inline constexpr std::size_t kTrailerBytes = 2'048;
inline constexpr std::size_t kTrailerFields = 16;

class HttpChunks {
 public:
  // How many of the bytes belong to the body and its trailer: all of them until done().
  std::size_t put(std::string_view bytes);
  bool done() const { return state_ == State::done; }
  std::uint64_t body_bytes() const { return body_bytes_; }  // announced so far
  const std::optional<HttpRefusal>& refusal() const { return refusal_; }

 private:
  enum class State : std::uint8_t {
    size,
    extension_name,
    extension_value,
    extension_token,
    quoted,
    quoted_pair,
    after_quoted,
    size_end,
    data,
    data_cr,
    data_lf,
    trailer,
    trailer_lf,
    done
  };
  void refuse(int status, std::string_view detail);
  void put_byte(char c);
  void put_size(char c);
  void put_extension(char c);
  void put_trailer(char c);
  void after_extension(char c);
  void end_size();

  State state_ = State::size;
  std::optional<HttpRefusal> refusal_;
  std::uint64_t left_ = 0, body_bytes_ = 0;  // left_: of the chunk's data; before that, its size
  std::size_t taken_ = 0, digits_ = 0, name_ = 0, extension_bytes_ = 0, trailer_bytes_ = 0,
              trailers_ = 0;
  std::string line_;  // of the trailer
};

}  // namespace certline::server::http
