#pragma once
// A webhook's receiver for tests. It keeps what it gets, and answers as the test says.

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "../scanner/loopback_servers.hpp"
#include "protocol/values.hpp"

namespace certline::connectors::test {

using scanner::test::hear;
using scanner::test::LoopbackServer;
using scanner::test::say;

struct Received {
  std::string request_line;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

inline std::string http_answer(int status, const std::string& body = "",
                               const std::string& headers = "") {
  return "HTTP/1.1 " + std::to_string(status) +
         " So\r\nContent-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n" +
         headers + "\r\n" + body;
}

// The request that arrives; an empty one where it ends early.
inline Received read_request(int fd) {
  std::string bytes;
  std::size_t head = std::string::npos;
  while ((head = bytes.find("\r\n\r\n")) == std::string::npos) {
    const std::string some = hear(fd);
    if (some.empty()) return {};
    bytes += some;
  }
  Received got;
  std::size_t at = bytes.find("\r\n");
  got.request_line = bytes.substr(0, at);
  while (at < head) {
    const std::size_t end = bytes.find("\r\n", at + 2);
    const std::string line = bytes.substr(at + 2, end - at - 2);
    const std::size_t colon = line.find(':');
    const std::size_t value = line.find_first_not_of(' ', colon + 1);
    got.headers[ascii_lower(line.substr(0, colon))] =
        value == std::string::npos ? "" : line.substr(value);
    at = end;
  }
  got.body = bytes.substr(head + 4);
  const auto length = got.headers.find("content-length");
  const std::size_t size = length == got.headers.end() ? 0 : std::stoul(length->second);
  while (got.body.size() < size) {
    const std::string some = hear(fd);
    if (some.empty()) return {};
    got.body += some;
  }
  return got;
}

class HttpReceiver {
 public:
  // Gives the whole answer, in a thread of the connection; an empty one closes without a word.
  using Answer = std::function<std::string(const Received&)>;

  explicit HttpReceiver(Answer answer)
      : answer_(std::move(answer)), server_([this](int fd, int) { serve(fd); }) {}

  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_.port()) + "/hook"; }
  std::vector<Received> received() const {
    const std::lock_guard lock(mutex_);
    return received_;
  }

 private:
  void serve(int fd) {
    const Received got = read_request(fd);
    if (got.request_line.empty()) return;
    {
      const std::lock_guard lock(mutex_);
      received_.push_back(got);
    }
    say(fd, answer_(got));
  }

  const Answer answer_;
  mutable std::mutex mutex_;
  std::vector<Received> received_;
  LoopbackServer server_;
};

}  // namespace certline::connectors::test
