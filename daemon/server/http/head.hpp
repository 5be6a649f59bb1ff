#pragma once
// Reads the head of an HTTP/1 request line by line as the bytes come, strictly by RFC 9112
// (sections 2.2, 3, 5, 6) and RFC 9110. The gate's other parser reads it again. Only what both read
// alike gets in. Pure.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/http_words.hpp"
#include "protocol/limits.hpp"

namespace certline::server::http {

// Why a request isn't served, said in one answer after which the connection closes.
struct HttpRefusal {
  int status = 400;
  std::string_view detail;
};

struct HttpHead {
  HttpMethod method = HttpMethod::get;
  std::string target;
  int minor_version = 1;
  std::string content_type, authorization, accept;
  std::uint64_t content_length = 0;
  bool has_length = false, chunked = false;
  bool wants_continue = false;  // Expect: 100-continue, by 1.1
  bool keep_alive = true;
};

class HttpHeadReader {
 public:
  // Looks at the lines of `text` that are whole now: the connection's bytes from the first of this
  // request on, each time as many as before or more. The size of the head with its empty line, once
  // that is there; a refusal is final.
  std::optional<std::size_t> advance(std::string_view text);

  const std::optional<HttpRefusal>& refusal() const { return refusal_; }
  const HttpHead& head() const { return head_; }
  std::size_t leading() const { return leading_; }  // bytes of the empty line before the request
  void reset();

 private:
  bool refuse(int status, std::string_view detail);
  bool take_request_line(std::string_view line);
  bool take_field(std::string_view line);
  bool take_host(std::string_view value);
  bool take_length(std::string_view value);
  bool take_coding(std::string_view value);
  bool take_connection(std::string_view value);
  bool take_expect(std::string_view value);
  bool refuse_upgrade(std::string_view value);
  bool take_once(std::string& into, std::string_view value);
  bool take_content_type(std::string_view value);
  bool take_authorization(std::string_view value);
  bool take_accept(std::string_view value);
  bool take_fetch_site(std::string_view value);
  bool check_whole();
  bool check_beginning(std::string_view line);

  using Take = bool (HttpHeadReader::*)(std::string_view);
  struct Field {
    std::string_view name;  // lower case
    Take take;
  };
  static const Field kFields[];

  HttpHead head_;
  std::optional<HttpRefusal> refusal_;
  std::size_t line_start_ = 0, scanned_ = 0, leading_ = 0, fields_ = 0;
  bool has_request_line_ = false, has_host_ = false, has_coding_ = false;
  bool says_close_ = false, says_keep_alive_ = false, expects_ = false;
  bool from_other_site_ = false;
};

// "name: value" without its line end: a token, at once a colon, a value without control bytes.
// Also the lines of a trailer.
bool is_field_line(std::string_view line);
bool is_token_byte(char c);

// What a target may be: origin-form, printable ASCII, no fragment; its path has no empty segment
// and, decoded once, no control byte and no "." or ".." segment.
std::optional<HttpRefusal> judge_target(std::string_view target);

// uri-host [":" port] (RFC 9110 7.2), not empty.
bool is_authority(std::string_view text);

}  // namespace certline::server::http
