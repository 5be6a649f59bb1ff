// Beast is used only as a parser: it never gets a socket, and only this file includes it. It
// accepts much that RFC 9112 forbids (two Hosts, a space in a chunk's size, an unknown transfer
// coding). So it is the second opinion on all that the strict reader accepts. Next: head.cpp,
// chunks.cpp.
#include "daemon/server/http/gate.hpp"

#include <algorithm>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <utility>

#include "daemon/server/http/chunks.hpp"

namespace certline::server::http {
namespace {

namespace http = boost::beast::http;

std::string_view text_of(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

constexpr HttpRefusal kMalformed{400, "this is not a well-formed request"};

}  // namespace

struct HttpGate::Parser {
  HttpHeadReader head;
  HttpChunks chunks;
  std::uint64_t length_left = 0;
  std::optional<http::request_parser<http::string_body>> other;

  // Whether the other parser read the same request.
  bool agrees() const {
    const auto& message = other->get();
    const HttpHead& read = head.head();
    const bool framed_alike =
        read.chunked
            ? other->chunked()
            : !other->chunked() && other->content_length().value_or(0) == read.content_length;
    return other->is_header_done() && framed_alike &&
           text_of(message.method_string()) == method_name(read.method) &&
           text_of(message.target()) == read.target &&
           message.version() == 10u + static_cast<unsigned>(read.minor_version) &&
           message.count(http::field::host) <= 1 &&
           text_of(message[http::field::authorization]) == read.authorization &&
           text_of(message[http::field::content_type]) == read.content_type;
  }
};

rest::HttpRequest HttpIncoming::view() const {
  return {head.method, head.target, head.content_type, head.authorization, head.accept, body};
}

HttpGate::HttpGate() = default;
HttpGate::~HttpGate() = default;
HttpGate::HttpGate(HttpGate&&) noexcept = default;

void HttpGate::refuse(const HttpRefusal& why) {
  stage_ = Stage::refused;
  refusal_ = why;
  wants_continue_ = false;
  parser_.reset();
  waiting_ = std::string();
}

std::size_t HttpGate::put(std::string_view bytes) {
  std::size_t taken = 0;
  if (stage_ == Stage::idle || stage_ == Stage::head) taken = put_head(bytes);
  if (stage_ == Stage::body && taken < bytes.size()) taken += put_body(bytes.substr(taken));
  return taken;
}

std::size_t HttpGate::put_head(std::string_view bytes) {
  if (bytes.empty()) return 0;
  if (!parser_) parser_ = std::make_unique<Parser>();
  // A head in one piece, which most are, is read where it lies.
  const std::size_t before = waiting_.size();
  if (before > 0) waiting_ += bytes.substr(0, kHttpHeadBytes + 1);
  const std::string_view text = before > 0 ? std::string_view(waiting_) : bytes;
  const auto end = parser_->head.advance(text);
  if (const auto& why = parser_->head.refusal()) {
    refuse(*why);
    return bytes.size();
  }
  if (!end) {
    if (before == 0) waiting_ = bytes;
    if (waiting_.size() > parser_->head.leading()) stage_ = Stage::head;
    return bytes.size();
  }
  end_head(text.substr(parser_->head.leading(), *end - parser_->head.leading()));
  return *end - before;
}

void HttpGate::end_head(std::string_view text) {
  parser_->other.emplace();
  parser_->other->header_limit(kHttpHeadBytes + 1);
  parser_->other->body_limit(kHttpBodyBytes);
  parser_->other->eager(true);
  boost::system::error_code failed;
  const std::size_t used =
      parser_->other->put(boost::asio::const_buffer(text.data(), text.size()), failed);
  if (failed == http::error::need_more) failed.clear();
  if (failed || used != text.size() || !parser_->agrees()) return refuse(kMalformed);
  waiting_.clear();
  const HttpHead& head = parser_->head.head();
  parser_->length_left = head.content_length;
  body_bytes_ = 0;
  const bool has_body = head.chunked || head.content_length > 0;
  wants_continue_ = has_body && head.wants_continue;
  stage_ = has_body ? Stage::body : Stage::complete;
  if (!has_body && !parser_->other->is_done()) refuse(kMalformed);
}

std::size_t HttpGate::put_body(std::string_view bytes) {
  const bool chunked = parser_->head.head().chunked;
  std::size_t taken = 0;
  bool ended = false;
  if (chunked) {
    taken = parser_->chunks.put(bytes);
    if (const auto& why = parser_->chunks.refusal()) {
      refuse(*why);
      return bytes.size();
    }
    ended = parser_->chunks.done();
    waiting_ += bytes.substr(0, taken);
  } else {
    taken = static_cast<std::size_t>(std::min<std::uint64_t>(parser_->length_left, bytes.size()));
    parser_->length_left -= taken;
    ended = parser_->length_left == 0;
    feed(bytes.substr(0, taken));
  }
  body_bytes_ += taken;
  wants_continue_ = false;
  // Beast 1.81 fails an assertion of its own where a last chunk comes in pieces.
  if (chunked && ended) feed(waiting_);
  if (stage_ == Stage::refused || !ended) return taken;
  stage_ = Stage::complete;
  if (!parser_->other->is_done()) refuse(kMalformed);
  return taken;
}

void HttpGate::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    boost::system::error_code failed;
    const std::size_t used =
        parser_->other->put(boost::asio::const_buffer(bytes.data(), bytes.size()), failed);
    if (failed || used == 0) return refuse(kMalformed);
    bytes.remove_prefix(used);
  }
}

bool HttpGate::take_continue() {
  return std::exchange(wants_continue_, false);
}

HttpIncoming HttpGate::take() {
  HttpIncoming incoming{parser_->head.head(), std::move(parser_->other->get().body())};
  parser_.reset();
  waiting_ = std::string();
  stage_ = Stage::idle;
  body_bytes_ = 0;
  return incoming;
}

}  // namespace certline::server::http
