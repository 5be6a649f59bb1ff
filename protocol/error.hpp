#pragma once
// Errors as values. One kind per reason a request can fail; one table maps a kind to what each wire
// says: the line code and the HTTP status.

#include <boost/system/result.hpp>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace certline {

enum class ErrorKind : std::uint8_t {
  malformed,            // 400: the line is not a request
  key_unknown,          // 401
  refused,              // 403: the address policy or a rule forbids it
  not_registered,       // 404: unknown here, or another account's: they look alike
  registration_closed,  // 405
  conflict,             // 409: the key belongs to another account
  too_long,             // 413
  invalid_value,        // 422: well-formed, but the value makes no sense
  too_many,             // 429: retry_after_s says how long to wait
  internal,             // 500
  unavailable,          // 503: try later
  store_full,           // 507
};

// `detail` is one line for people that says what to do next. It may quote input only through
// quoted().
struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string detail;
  std::uint32_t retry_after_s = 0;
  bool operator==(const Error&) const = default;
};

template <class T = void>
using Result = boost::system::result<T, Error>;

// value() on an error is a broken invariant, not a way to handle errors.
[[noreturn]] inline void throw_exception_from_error(const Error& e, const boost::source_location&) {
  throw std::logic_error("unchecked error: " + e.detail);
}

int line_code(ErrorKind kind);                // e.g. 404
int http_status(ErrorKind kind);              // where a route documents none of its own
std::string_view error_name(ErrorKind kind);  // e.g. "not_registered", for logs and metrics

// Printable ASCII of at most `most` characters, in double quotes; everything else as \xNN.
std::string quoted(std::string_view input, std::size_t most = 60);

}  // namespace certline
