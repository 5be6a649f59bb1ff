// Which paths are refused, and that percent signs are decoded in one way only.
#include "protocol/rest/target.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace certline::rest;

TEST_CASE("paths that may name something") {
  for (const std::string path : {"/", "/a", "/a/", "/a%20b", "/a...b", "/.a", "/a%0ab",
                                 "/%e2%82%ac", "/https%3A%2F%2Fa.example", "/a%25%32%65"}) {
    INFO(path);
    CHECK(path_objection(path).empty());
  }
}

TEST_CASE("paths that are refused say why") {
  const std::pair<std::string, std::string> rows[] = {
      {"", "the target must be a path, as in GET /api/ping"},
      {"a", "the target must be a path, as in GET /api/ping"},
      {"/a%", "a % is followed by two hexadecimal digits"},
      {"/a%4", "a % is followed by two hexadecimal digits"},
      {"/a%g0", "a % is followed by two hexadecimal digits"},
      {"/a%00b", "a target has no %00"},
      {"/a//b", "a path has no empty, . or .. segment"},
      {"/./a", "a path has no empty, . or .. segment"},
      {"/a/..", "a path has no empty, . or .. segment"},
      {"/a/%2E%2e/b", "a path has no empty, . or .. segment"},
      {"/a%2f..%2fb", "a path has no empty, . or .. segment"},
  };
  for (const auto& [path, why] : rows) {
    INFO(path);
    CHECK(path_objection(path) == why);
  }
}

TEST_CASE("a percent sign and two digits are one byte") {
  CHECK(decode_at("%4a", 0).byte == 'J');
  CHECK(decode_at("%4A", 0).size == 3);
  CHECK(decode_at("x%4", 0).size == 1);
  CHECK(decode_at("x%4", 1).size == 0);
  CHECK(decode_at("%:0", 0).size == 0);
}
