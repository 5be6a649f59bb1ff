// libcurl's easy interface blocks, so it runs on a small pool of threads. libcurl's multi interface
// would be a second event loop beside Asio.
#include "connectors/transfer.hpp"

#include <algorithm>
#include <new>
#include <stdexcept>

namespace certline::connectors {
namespace {

void set_up_once() {
  static const CURLcode done = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (done != CURLE_OK) {
    throw std::runtime_error(std::string("libcurl: ") + curl_easy_strerror(done));
  }
}

int on_progress(void* cancelled, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const std::atomic<bool>*>(cancelled)->load() ? 1 : 0;
}

}  // namespace

bool is_one_line(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7f;
  });
}

Transfer::Transfer(std::chrono::milliseconds deadline, const std::atomic<bool>& cancelled) {
  set_up_once();
  handle_.reset(curl_easy_init());
  if (!handle_) throw std::bad_alloc();
  set(CURLOPT_ERRORBUFFER, error_.data());
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(deadline.count()));
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(deadline.count()));
  set(CURLOPT_QUICK_EXIT, 1L);  // a resolver that hangs holds nobody up
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, on_progress);
  set(CURLOPT_XFERINFODATA, static_cast<const void*>(&cancelled));
}

void Transfer::trust(const std::string& file) {
  if (!file.empty()) set(CURLOPT_CAINFO, file.c_str());
}

void Transfer::add_header(const std::string& line) {
  curl_slist* const longer = curl_slist_append(headers_.get(), line.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  if (!headers_) headers_.reset(longer);
}

CURLcode Transfer::perform(std::string& why) {
  if (headers_) set(CURLOPT_HTTPHEADER, headers_.get());
  if (broken_) {
    why = "libcurl refuses one of the settings";
    return CURLE_BAD_FUNCTION_ARGUMENT;
  }
  const CURLcode code = curl_easy_perform(handle_.get());
  if (code == CURLE_ABORTED_BY_CALLBACK) {
    why = "stopped";
  } else if (code != CURLE_OK) {
    why = error_.front() != '\0' ? error_.data() : curl_easy_strerror(code);
  }
  return code;
}

long Transfer::response_code() const {
  long code = 0;
  curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &code);
  return code;
}

}  // namespace certline::connectors
