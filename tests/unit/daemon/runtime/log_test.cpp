// All that reaches the log is printable, and keys never reach it.
#include "daemon/runtime/log.hpp"

#include <catch2/catch.hpp>

#include "pki/digest.hpp"

using namespace certline;
using namespace certline::runtime;

TEST_CASE("log values are escaped") {
  CHECK(log_value("plain-1.2") == "plain-1.2");
  CHECK(log_value("") == "\"\"");
  CHECK(log_value("two words") == "\"two words\"");
  CHECK(log_value("a\r\nb\x1b[31m") == "\"a\\x0d\\x0ab\\x1b[31m\"");
  CHECK(log_value("a=b") == "\"a=b\"");
  CHECK(log_value(std::string(5000, 'x')).size() == 5000);
  CHECK(log_value(std::string(5000, ' ')).size() < 500);
}

TEST_CASE("a key's tag names it without giving it away") {
  const std::string key = "0123456789abcdef0123";
  const std::string tag = key_tag(pki::sha256(key));
  CHECK(tag.size() == 15);
  CHECK(tag.find(key) == std::string::npos);
}
