#pragma once
// What all transfers share: one setup of libcurl, a handle each, a deadline, and a stop.

#include <curl/curl.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "protocol/error.hpp"

namespace certline::connectors {

struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// One blocking transfer at a time, of one thread. Nothing comes from the environment: no proxy, no
// .netrc, no configuration file.
class Transfer {
 public:
  // `cancelled` is looked at once a second and outlives the transfer.
  Transfer(std::chrono::milliseconds deadline, const std::atomic<bool>& cancelled);

  template <class Value>
  void set(CURLoption option, Value value) {
    if (curl_easy_setopt(handle_.get(), option, value) != CURLE_OK) broken_ = true;
  }
  void trust(const std::string& file);  // empty: the system's
  void add_header(const std::string& line);

  // Adds what libcurl says to its code; one line.
  CURLcode perform(std::string& why);
  long response_code() const;
  CURL* handle() { return handle_.get(); }

 private:
  struct HandleDeleter {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  };
  std::unique_ptr<curl_slist, ListDeleter> headers_;
  std::array<char, CURL_ERROR_SIZE> error_{};
  std::unique_ptr<CURL, HandleDeleter> handle_;
  bool broken_ = false;
};

// Without control characters: what may stand in a header or a command.
bool is_one_line(std::string_view text);

}  // namespace certline::connectors
