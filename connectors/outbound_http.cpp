// Somebody else runs a webhook's receiver. So the size of its answer is bounded, and a redirect is
// not followed. Next: transfer.cpp.
#include "connectors/outbound_http.hpp"

#include <algorithm>

#include "connectors/transfer.hpp"

namespace certline::connectors {
namespace {

struct Gathered {
  std::string body;
  std::size_t most = 0;
  bool too_long = false;
};

std::size_t on_body(char* data, std::size_t, std::size_t size, void* into) {
  auto& gathered = *static_cast<Gathered*>(into);
  if (size > gathered.most - gathered.body.size()) {
    gathered.too_long = true;
    return 0;  // ends the transfer
  }
  gathered.body.append(data, size);
  return size;
}

bool is_token(std::string_view name) {  // RFC 9110 5.6.2
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kMarks.find(c) != kMarks.npos;
  });
}

Result<void> check_request(const HttpPost& request) {
  const bool web = request.url.starts_with("https://") || request.url.starts_with("http://");
  if (!web || !is_one_line(request.url) || request.url.find(' ') != std::string::npos) {
    return Error{ErrorKind::invalid_value, "the address is not an http or https URL"};
  }
  for (const auto& [name, value] : request.headers) {
    if (!is_token(name) || !is_one_line(value)) {
      return Error{ErrorKind::invalid_value, "header " + quoted(name) + " is not one line"};
    }
  }
  return {};
}

}  // namespace

Result<HttpAnswer> post(const HttpPost& request, const std::atomic<bool>& cancelled) {
  if (auto checked = check_request(request); !checked) return checked.error();
  Transfer transfer(request.deadline, cancelled);
  Gathered gathered{{}, request.most_response_bytes, false};
  transfer.set(CURLOPT_PROTOCOLS_STR, "http,https");
  transfer.set(CURLOPT_FOLLOWLOCATION, 0L);
  transfer.set(CURLOPT_URL, request.url.c_str());
  transfer.trust(request.trust_file);
  transfer.set(CURLOPT_POST, 1L);
  transfer.set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  transfer.set(CURLOPT_POSTFIELDS, request.body.data());
  transfer.set(CURLOPT_WRITEFUNCTION, on_body);
  transfer.set(CURLOPT_WRITEDATA, static_cast<void*>(&gathered));
  transfer.add_header("Expect:");  // no pause for a go-ahead
  for (const auto& [name, value] : request.headers) {
    // libcurl leaves out "Name:", and sends "Name;" as an empty one.
    transfer.add_header(value.empty() ? name + ";" : name + ": " + value);
  }
  std::string why;
  const CURLcode code = transfer.perform(why);
  if (gathered.too_long) {
    return Error{ErrorKind::too_long,
                 "the answer is longer than " + std::to_string(gathered.most) + " bytes"};
  }
  if (code == CURLE_URL_MALFORMAT) {
    return Error{ErrorKind::invalid_value, "the address is not an http or https URL"};
  }
  if (code != CURLE_OK) return Error{ErrorKind::unavailable, why};
  return HttpAnswer{static_cast<int>(transfer.response_code()), std::move(gathered.body)};
}

}  // namespace certline::connectors
