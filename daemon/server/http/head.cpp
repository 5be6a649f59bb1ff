// All rules about a request's head in one place, a few lines each. A line is judged when it
// arrives. So bytes that cannot be a request are refused at once, not after a silence.
#include "daemon/server/http/head.hpp"

#include <algorithm>
#include <array>

#include "protocol/ip_address.hpp"
#include "protocol/rest/target.hpp"

namespace certline::server::http {
namespace {

// The longest method, its space and " HTTP/1.1" besides the target.
constexpr std::size_t kRequestLineBytes = kHttpTargetBytes + 32;
constexpr std::size_t kMethodBytes = 16;
constexpr std::size_t kLengthDigits = 18;

constexpr std::array kMethods{HttpMethod::get,    HttpMethod::head, HttpMethod::post,
                              HttpMethod::put,    HttpMethod::del,  HttpMethod::patch,
                              HttpMethod::options};

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool same_text(std::string_view text, std::string_view lower_case) {
  return std::equal(text.begin(), text.end(), lower_case.begin(), lower_case.end(),
                    [](char a, char b) { return lower(a) == b; });
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Control bytes other than a tab: among them CR and LF, which end no line here, and NUL.
bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  });
}

}  // namespace

bool is_token_byte(char c) {
  return is_letter(c) || is_digit(c) ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_field_line(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == line.npos || colon == 0) return false;
  const std::string_view name = line.substr(0, colon);
  return std::all_of(name.begin(), name.end(), is_token_byte) && !has_control(line.substr(colon));
}

bool is_authority(std::string_view text) {
  std::size_t end = 0;
  if (text.starts_with('[')) {
    end = text.find(']');
    if (end == text.npos) return false;
    const auto address = IpAddress::parse(text.substr(1, end - 1));
    if (!address || text.substr(1, end - 1).find(':') == text.npos) return false;
    ++end;
  } else {
    while (end < text.size() && text[end] != ':') {
      const rest::DecodedByte one = rest::decode_at(text, end);
      const char c = text[end];
      const bool allowed = is_letter(c) || is_digit(c) || c == '%' ||
                           std::string_view("-._~!$&'()*+,;=").find(c) != std::string_view::npos;
      if (!allowed || one.size == 0) return false;
      end += one.size;
    }
    if (end == 0) return false;
  }
  if (end == text.size()) return true;
  const std::string_view port = text.substr(end + 1);
  return text[end] == ':' && port.size() <= 5 && std::all_of(port.begin(), port.end(), is_digit);
}

std::optional<HttpRefusal> judge_target(std::string_view target) {
  if (target.size() > kHttpTargetBytes) return HttpRefusal{414, "the target is too long"};
  const auto odd = [](char c) { return c <= 0x20 || c >= 0x7f; };
  if (std::any_of(target.begin(), target.end(), odd)) {
    return HttpRefusal{400, "the target must be printable ASCII; encode other bytes as %XX"};
  }
  if (target.find('#') != target.npos) return HttpRefusal{400, "a target has no fragment"};
  const std::size_t query = std::min(target.find('?'), target.size());
  const std::string_view objection = rest::path_objection(target.substr(0, query));
  if (!objection.empty()) return HttpRefusal{400, objection};
  for (std::size_t at = 0; at < target.size();) {
    const rest::DecodedByte one = rest::decode_at(target, at);
    if (one.size == 0) return HttpRefusal{400, "a % is followed by two hexadecimal digits"};
    if (one.byte == 0) return HttpRefusal{400, "a target has no %00"};
    if (at < query && has_control({&one.byte, 1})) {
      return HttpRefusal{400, "a path has no control bytes"};
    }
    at += one.size;
  }
  return {};
}

const HttpHeadReader::Field HttpHeadReader::kFields[] = {
    {"host", &HttpHeadReader::take_host},
    {"content-length", &HttpHeadReader::take_length},
    {"transfer-encoding", &HttpHeadReader::take_coding},
    {"connection", &HttpHeadReader::take_connection},
    {"expect", &HttpHeadReader::take_expect},
    {"upgrade", &HttpHeadReader::refuse_upgrade},
    {"content-type", &HttpHeadReader::take_content_type},
    {"authorization", &HttpHeadReader::take_authorization},
    {"accept", &HttpHeadReader::take_accept},
    {"sec-fetch-site", &HttpHeadReader::take_fetch_site},
};

void HttpHeadReader::reset() {
  *this = HttpHeadReader();
}

bool HttpHeadReader::refuse(int status, std::string_view detail) {
  if (!refusal_) refusal_ = HttpRefusal{status, detail};
  return false;
}

std::optional<std::size_t> HttpHeadReader::advance(std::string_view text) {
  while (!refusal_) {
    const std::size_t end = text.find('\n', scanned_);
    if (end == text.npos) {
      scanned_ = text.size();
      if (check_beginning(text.substr(line_start_)) && scanned_ > kHttpHeadBytes) {
        refuse(431, "the head is too long");
      }
      break;
    }
    if (end >= kHttpHeadBytes) {
      refuse(431, "the head is too long");
      break;
    }
    std::string_view line = text.substr(line_start_, end - line_start_);
    if (!check_beginning(line)) break;
    line_start_ = scanned_ = end + 1;
    if (!line.ends_with('\r')) {
      refuse(400, "a line ends with CR and LF");
      break;
    }
    line.remove_suffix(1);
    if (!has_request_line_) {
      if (line.empty() && leading_ == 0) {
        leading_ = line_start_;
      } else {
        has_request_line_ = take_request_line(line);
      }
    } else if (!line.empty()) {
      take_field(line);
    } else if (check_whole()) {
      return line_start_;
    }
  }
  return {};
}

// What no further byte of the line can mend.
bool HttpHeadReader::check_beginning(std::string_view line) {
  if (has_request_line_ || line.empty()) return true;
  if (line[0] != '\r' && !is_token_byte(line[0])) return refuse(400, "this is not HTTP");
  return line.size() <= kRequestLineBytes || refuse(414, "the target is too long");
}

bool HttpHeadReader::take_request_line(std::string_view line) {
  const std::size_t first = line.find(' '), last = line.rfind(' ');
  const std::string_view method = line.substr(0, first);
  if (method.empty() || !std::all_of(method.begin(), method.end(), is_token_byte)) {
    return refuse(400, "a request begins with a method");
  }
  if (first == line.npos || first == last) {
    return refuse(400, "a request line is a method, a target and a version");
  }
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  const bool known = version == "HTTP/1.1" || version == "HTTP/1.0";
  const bool well_formed = version.size() == 8 && version.starts_with("HTTP/") &&
                           is_digit(version[5]) && version[6] == '.' && is_digit(version[7]);
  if (!known) {
    return refuse(well_formed ? 505 : 400, "the version must be HTTP/1.1 or HTTP/1.0");
  }
  head_.minor_version = version.back() - '0';
  const auto* found = std::find_if(kMethods.begin(), kMethods.end(),
                                   [&](HttpMethod each) { return method_name(each) == method; });
  if (found == kMethods.end() || method.size() > kMethodBytes) {
    return refuse(501, "there is no such method here");
  }
  if (const auto wrong = judge_target(target)) return refuse(wrong->status, wrong->detail);
  head_.method = *found;
  head_.target = target;
  return true;
}

bool HttpHeadReader::take_field(std::string_view line) {
  if (++fields_ > kHttpFields) return refuse(431, "too many fields");
  if (!is_field_line(line)) return refuse(400, "a field is not well-formed");
  const std::size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon), value = trimmed(line.substr(colon + 1));
  for (const Field& field : kFields) {
    if (same_text(name, field.name)) return (this->*field.take)(value);
  }
  return true;
}

bool HttpHeadReader::take_host(std::string_view value) {
  if (has_host_) return refuse(400, "Host may come once");
  if (!is_authority(value)) return refuse(400, "Host is not a name with an optional port");
  has_host_ = true;
  return true;
}

bool HttpHeadReader::take_length(std::string_view value) {
  if (head_.has_length) return refuse(400, "Content-Length may come once");
  if (value.empty() || !std::all_of(value.begin(), value.end(), is_digit)) {
    return refuse(400, "Content-Length is a number");
  }
  if (value.size() > kLengthDigits) return refuse(400, "Content-Length is too large a number");
  head_.has_length = true;
  for (const char c : value) {
    head_.content_length = head_.content_length * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return true;
}

bool HttpHeadReader::take_coding(std::string_view value) {
  if (has_coding_) return refuse(400, "Transfer-Encoding may come once");
  has_coding_ = true;
  head_.chunked = same_text(value, "chunked");
  return true;
}

bool HttpHeadReader::take_connection(std::string_view value) {
  while (!value.empty()) {
    const std::size_t comma = std::min(value.find(','), value.size());
    const std::string_view option = trimmed(value.substr(0, comma));
    if (same_text(option, "close")) says_close_ = true;
    if (same_text(option, "keep-alive")) says_keep_alive_ = true;
    value.remove_prefix(std::min(comma + 1, value.size()));
  }
  return true;
}

// RFC 9110 10.1.1: a 1.0 client's 100-continue is ignored.
bool HttpHeadReader::take_expect(std::string_view value) {
  if (expects_ || !same_text(value, "100-continue")) {
    return refuse(417, "the only expectation that can be met is 100-continue");
  }
  expects_ = true;
  head_.wants_continue = head_.minor_version == 1;
  return true;
}

bool HttpHeadReader::refuse_upgrade(std::string_view) {
  return refuse(400, "there is no protocol to upgrade to; leave Upgrade out");
}

bool HttpHeadReader::take_once(std::string& into, std::string_view value) {
  if (!into.empty()) return refuse(400, "Content-Type and Authorization may come once");
  into = value;
  return true;
}

bool HttpHeadReader::take_content_type(std::string_view value) {
  return take_once(head_.content_type, value);
}

bool HttpHeadReader::take_authorization(std::string_view value) {
  return take_once(head_.authorization, value);
}

bool HttpHeadReader::take_accept(std::string_view value) {
  if (!head_.accept.empty()) head_.accept += ", ";  // a list may come in several fields
  head_.accept += value;
  return true;
}

// Browsers say so of requests that another site's page makes. Nothing here is for such pages: they
// may lead to ours, as a mail's link does, and no further.
bool HttpHeadReader::take_fetch_site(std::string_view value) {
  from_other_site_ = from_other_site_ || value == "cross-site" || value == "same-site";
  return true;
}

bool HttpHeadReader::check_whole() {
  const bool leads_to_page =
      (head_.method == HttpMethod::get || head_.method == HttpMethod::head) &&
      !head_.target.starts_with("/api/");
  if (from_other_site_ && !leads_to_page) {
    return refuse(403, "pages of other sites may not use this API");
  }
  if (!has_host_ && head_.minor_version == 1) return refuse(400, "Host is missing");
  if (has_coding_ && head_.has_length) {
    return refuse(400, "Transfer-Encoding and Content-Length exclude each other");
  }
  if (has_coding_ && head_.minor_version == 0) return refuse(400, "HTTP/1.0 has no chunks");
  if (has_coding_ && !head_.chunked) {
    return refuse(501, "the only transfer coding known here is chunked");
  }
  if (head_.content_length > kHttpBodyBytes) return refuse(413, "the body is too long");
  head_.keep_alive = !says_close_ && (head_.minor_version == 1 || says_keep_alive_);
  return true;
}

}  // namespace certline::server::http
