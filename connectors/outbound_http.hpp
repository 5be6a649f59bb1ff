#pragma once
// One POST to somebody else's HTTP server. It blocks: call it on a thread that may wait.

#include <atomic>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "protocol/error.hpp"

namespace certline::connectors {

struct HttpPost {
  std::string url;                                           // http or https
  std::vector<std::pair<std::string, std::string>> headers;  // Content-Type among them
  std::string body;
  std::chrono::milliseconds deadline{10'000};   // over everything, the name's resolution too
  std::size_t most_response_bytes = 64 * 1024;  // a longer one counts as failed
  std::string trust_file;                       // PEM; empty: the system's
};

struct HttpAnswer {
  int status = 0;
  std::string body;
};

// Follows no redirect: whoever may be told is written in the configuration. A server's certificate
// is verified. Any status is an answer.
// Errors: invalid_value (the URL or a header is none), too_long (the answer), unavailable (all
// else: try later); one line each that doesn't repeat the URL, as that may hold a secret.
Result<HttpAnswer> post(const HttpPost& request, const std::atomic<bool>& cancelled);

}  // namespace certline::connectors
