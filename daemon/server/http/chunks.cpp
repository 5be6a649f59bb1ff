// One state for each place in the grammar. Data is skipped in one step. All other bytes are judged
// one by one, because an honest body has few of them.
#include "daemon/server/http/chunks.hpp"

#include <algorithm>

namespace certline::server::http {
namespace {

constexpr std::size_t kSizeDigits = 16;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_text(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

}  // namespace

void HttpChunks::refuse(int status, std::string_view detail) {
  if (!refusal_) refusal_ = HttpRefusal{status, detail};
}

std::size_t HttpChunks::put(std::string_view bytes) {
  std::size_t at = 0;
  while (at < bytes.size() && !refusal_ && state_ != State::done) {
    if (state_ == State::data) {
      const std::size_t some =
          static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size() - at));
      left_ -= some;
      at += some;
      if (left_ == 0) state_ = State::data_cr;
      continue;
    }
    put_byte(bytes[at]);
    ++at;
  }
  taken_ += at;
  if (taken_ > kChunkedBytes) refuse(413, "the body is too long, with its chunks' frames");
  return at;
}

void HttpChunks::put_byte(char c) {
  switch (state_) {
    case State::size:
      return put_size(c);
    case State::size_end:
      return c == '\n' ? end_size() : refuse(400, "a chunk's size ends with CR and LF");
    case State::data_cr:
    case State::data_lf:
      if (c != (state_ == State::data_cr ? '\r' : '\n')) {
        return refuse(400, "a chunk ends with CR and LF");
      }
      state_ = state_ == State::data_cr ? State::data_lf : State::size;
      return;
    case State::trailer:
    case State::trailer_lf:
      return put_trailer(c);
    default:
      return put_extension(c);
  }
}

void HttpChunks::put_size(char c) {
  if (const int digit = hex_value(c); digit >= 0) {
    if (++digits_ > kSizeDigits) return refuse(400, "a chunk's size is too long");
    left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
    return;
  }
  if (digits_ == 0) return refuse(400, "a chunk begins with its size");
  after_extension(c);
}

// Behind a size or a whole extension: another one, or the end of the line.
void HttpChunks::after_extension(char c) {
  if (c == '\r') {
    state_ = State::size_end;
  } else if (c == ';') {
    name_ = 0;
    state_ = State::extension_name;
  } else {
    refuse(400, "a chunk's size is not well-formed");
  }
}

void HttpChunks::put_extension(char c) {
  if (++extension_bytes_ > kChunkExtensionBytes) return refuse(400, "too many chunk extensions");
  const bool is_token = is_token_byte(c);
  switch (state_) {
    case State::extension_name:
      if (is_token) {
        ++name_;
      } else if (name_ == 0) {
        refuse(400, "a chunk extension has a name");
      } else if (c == '=') {
        state_ = State::extension_value;
      } else {
        after_extension(c);
      }
      return;
    case State::extension_value:
      if (c != '"' && !is_token) return refuse(400, "a chunk extension has no value");
      state_ = c == '"' ? State::quoted : State::extension_token;
      return;
    case State::extension_token:
      if (!is_token) after_extension(c);
      return;
    case State::quoted:
      if (!is_text(c)) return refuse(400, "a chunk extension is not well-formed");
      if (c == '"') state_ = State::after_quoted;
      if (c == '\\') state_ = State::quoted_pair;
      return;
    case State::quoted_pair:
      if (!is_text(c)) return refuse(400, "a chunk extension is not well-formed");
      state_ = State::quoted;
      return;
    default:
      after_extension(c);
  }
}

void HttpChunks::end_size() {
  digits_ = 0;
  if (left_ == 0) {
    state_ = State::trailer;
    return;
  }
  if (left_ > kHttpBodyBytes || body_bytes_ + left_ > kHttpBodyBytes) {
    return refuse(413, "the body is too long");
  }
  body_bytes_ += left_;
  state_ = State::data;
}

void HttpChunks::put_trailer(char c) {
  if (++trailer_bytes_ > kTrailerBytes) return refuse(431, "the trailer is too long");
  if (state_ == State::trailer && c != '\r') {
    if (c == '\n') return refuse(400, "a line ends with CR and LF");
    line_ += c;
    return;
  }
  if (state_ == State::trailer) {
    state_ = State::trailer_lf;
    return;
  }
  if (c != '\n') return refuse(400, "a line ends with CR and LF");
  if (line_.empty()) {
    state_ = State::done;
    return;
  }
  if (++trailers_ > kTrailerFields) return refuse(431, "the trailer has too many fields");
  if (!is_field_line(line_)) return refuse(400, "a trailer field is not well-formed");
  line_.clear();
  state_ = State::trailer;
}

}  // namespace certline::server::http
