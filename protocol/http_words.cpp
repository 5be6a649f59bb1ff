// Two tables: methods, and the titles of the statuses that are ever answered. The server's status
// line and a problem document take the title from here. rest/errors.cpp is next on the way.
#include "protocol/http_words.hpp"

#include <algorithm>
#include <array>

namespace certline {
namespace {

constexpr std::array<std::string_view, 7> kMethods{"GET",    "HEAD",  "POST",   "PUT",
                                                   "DELETE", "PATCH", "OPTIONS"};

struct Title {
  int status;
  std::string_view title;
};
constexpr std::array kTitles{
    Title{200, "OK"},
    Title{204, "No Content"},
    Title{302, "Found"},
    Title{303, "See Other"},
    Title{304, "Not Modified"},
    Title{400, "Bad Request"},
    Title{401, "Unauthorized"},
    Title{403, "Forbidden"},
    Title{404, "Not Found"},
    Title{405, "Method Not Allowed"},
    Title{406, "Not Acceptable"},
    Title{408, "Request Timeout"},
    Title{409, "Conflict"},
    Title{410, "Gone"},
    Title{413, "Content Too Large"},
    Title{414, "URI Too Long"},
    Title{415, "Unsupported Media Type"},
    Title{417, "Expectation Failed"},
    Title{422, "Unprocessable Content"},
    Title{429, "Too Many Requests"},
    Title{431, "Request Header Fields Too Large"},
    Title{500, "Internal Server Error"},
    Title{501, "Not Implemented"},
    Title{503, "Service Unavailable"},
    Title{505, "HTTP Version Not Supported"},
    Title{507, "Insufficient Storage"},
};

}  // namespace

std::string_view method_name(HttpMethod method) {
  return kMethods.at(static_cast<std::size_t>(method));
}

std::string_view status_title(int status) {
  const auto* const known = std::find_if(kTitles.begin(), kTitles.end(),
                                         [&](const Title& row) { return row.status == status; });
  return known == kTitles.end() ? std::string_view("Answer") : known->title;
}

}  // namespace certline
