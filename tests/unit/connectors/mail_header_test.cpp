// Header values: dates, encoded words, and that no value begins a line of its own.
#include <catch2/catch.hpp>

#include "connectors/smtp.hpp"
#include "protocol/base64.hpp"

using namespace certline;
using namespace certline::connectors;

TEST_CASE("dates are those of RFC 5322") {
  CHECK(mail_date(0) == "Thu, 01 Jan 1970 00:00:00 +0000");
  CHECK(mail_date(1'795'276'543) == "Sat, 21 Nov 2026 15:55:43 +0000");
}

TEST_CASE("ASCII stays as it is, on one line") {
  CHECK(header_text("expired: example.org") == "expired: example.org");
  CHECK(header_text("a\r\nBcc: x@example.org") == "a  Bcc: x@example.org");
  CHECK(header_text(std::string("a\0b\x7f", 4)) == "a b ");
}

TEST_CASE("everything else becomes encoded words that decode to it") {
  std::string text;
  for (int i = 0; i < 60; ++i) text += "\xc3\xa4\xe2\x82\xac";
  const std::string header = header_text(text);
  std::string decoded;
  for (std::size_t at = 0; at < header.size();) {
    const std::size_t end = std::min(header.find("\r\n ", at), header.size());
    const std::string word = header.substr(at, end - at);
    CHECK(word.size() <= 75);
    REQUIRE(word.starts_with("=?UTF-8?B?"));
    REQUIRE(word.ends_with("?="));
    const auto bytes = decode_base64(word.substr(10, word.size() - 12));
    REQUIRE(bytes.has_value());
    CHECK((bytes->front() & 0xc0) != 0x80);  // no character is cut in two
    decoded.append(bytes->begin(), bytes->end());
    at = end + 3;
  }
  CHECK(decoded == text);
}

TEST_CASE("what looks like an encoded word is encoded itself") {
  CHECK(header_text("=?UTF-8?B?eA==?=").find("eA==") == std::string::npos);
}
