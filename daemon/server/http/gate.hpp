#pragma once
// Bytes in, whole HTTP/1 requests out: the rest of the program sees no other HTTP framing. Each
// request is read twice, strictly by HttpHeadReader and HttpChunks, and by a widely used parser.
// Only what both read alike gets through. After the first refusal nothing more of the connection is
// read. Pure: no sockets, no clock.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/server/http/head.hpp"
#include "protocol/rest/routes.hpp"

namespace certline::server::http {

struct HttpIncoming {
  HttpHead head;
  std::string body;
  rest::HttpRequest view() const;  // into this
};

class HttpGate {
 public:
  HttpGate();
  ~HttpGate();
  HttpGate(HttpGate&&) noexcept;

  // How many of the bytes it took: up to the end of one request. The rest is for the next put(),
  // after take(); after a refusal there is none.
  std::size_t put(std::string_view bytes);

  enum class Stage : std::uint8_t {
    idle,  // between two requests; an empty line before one counts
    head,
    body,
    complete,  // take() it
    refused
  };
  Stage stage() const { return stage_; }
  const std::optional<HttpRefusal>& refusal() const { return refusal_; }

  // True once in a request that wants to be told to send its body, while that isn't there.
  bool take_continue();
  std::size_t body_bytes() const { return body_bytes_; }  // that came of the body so far, framed
  // With `complete`: the request; then the gate is ready for the next.
  HttpIncoming take();

 private:
  struct Parser;
  std::size_t put_head(std::string_view bytes);
  std::size_t put_body(std::string_view bytes);
  void end_head(std::string_view text);
  void feed(std::string_view bytes);
  void refuse(const HttpRefusal& why);

  Stage stage_ = Stage::idle;
  bool wants_continue_ = false;
  std::size_t body_bytes_ = 0;
  std::optional<HttpRefusal> refusal_;
  std::unique_ptr<Parser> parser_;  // while a request comes in
  std::string waiting_;             // a part of the head, or chunks until the last one is there
};

}  // namespace certline::server::http
