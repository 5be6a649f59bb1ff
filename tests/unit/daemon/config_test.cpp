// The configuration file: defaults, every fixed key, and errors that name the line.
#include "daemon/config.hpp"

#include <catch2/catch.hpp>

using namespace certline;
using namespace certline::daemon;

namespace {

Config good(std::string_view toml) {
  auto parsed = parse_config(toml, "t.toml");
  INFO((parsed ? std::string() : parsed.error().detail));
  REQUIRE(parsed.has_value());
  return *parsed;
}

std::string problem(std::string_view toml) {
  auto parsed = parse_config(toml, "t.toml");
  REQUIRE(parsed.has_error());
  return parsed.error().detail;
}

}  // namespace

TEST_CASE("an empty configuration works") {
  const Config config = good("");
  CHECK(config.registration == Registration::open);
  REQUIRE(config.line.listen.size() == 1);
  CHECK(config.line.listen[0].to_string() == "127.0.0.1:10023");
  CHECK(config.line.limits.quiet.count() == 100);
  CHECK(config.scanner.timeout_ms == 10'000);
  CHECK_FALSE(config.scanner.special_names);
}

TEST_CASE("every fixed key is read") {
  const Config config = good(R"(
registration = "claim"
[store]
path = "/tmp/x"
map_size = 1073741824
[line]
listen = ["127.0.0.1:0", "[::1]:10023"]
quiet_ms = 250
[scanner]
allow = ["127.0.0.0/8", "::1/128"]
special_names = true
resolvers = ["127.0.0.1:5353", "[::1]:53"]
trust_file = "/tmp/ca.pem"
timeout_ms = 2000
concurrency = 7
[log]
level = "debug"
)");
  CHECK(config.registration == Registration::claim);
  CHECK(config.store.path == "/tmp/x");
  CHECK(config.store.map_size == 1073741824);
  REQUIRE(config.line.listen.size() == 2);
  CHECK(config.line.listen[0].port == 0);
  CHECK(config.line.listen[1].to_string() == "[::1]:10023");
  CHECK(config.line.limits.quiet.count() == 250);
  CHECK(config.scanner.allow.size() == 2);
  REQUIRE(config.scanner.resolvers.size() == 2);
  CHECK(config.scanner.resolvers[0].port == 5353);
  CHECK(config.scanner.trust_file == "/tmp/ca.pem");
  CHECK(config.scanner.concurrency == 7);
  CHECK(config.log.level == LogLevel::debug);
}

TEST_CASE("sizes may carry a unit") {
  CHECK(good("store.map_size = \"64 MiB\"").store.map_size == 64u << 20);
  CHECK(good("store.map_size = \"2 GiB\"").store.map_size == 2ull << 30);
}

TEST_CASE("errors name file, line and key, and say what to write") {
  CHECK(problem("\n\n[line]\nquite_ms = 3\n") ==
        "t.toml:4: unknown key \"line.quite_ms\"; certlined.toml lists the known ones");
  CHECK(problem("[nonsense]\nx = 1").rfind("t.toml:1: unknown key \"nonsense\"", 0) == 0);
  CHECK(problem("registration = \"maybe\"").find("\"open\", \"claim\", \"closed\"") !=
        std::string::npos);
  CHECK(problem("line.quiet_ms = \"fast\"").find("line.quiet_ms: write milliseconds") !=
        std::string::npos);
  CHECK(problem("line.quiet_ms = 0").find("from 1 to") != std::string::npos);
  CHECK(problem("store.map_size = 17").find("1 MiB") != std::string::npos);
  CHECK(problem("store.map_size = \"9999999999 TiB\"").find("1 MiB") != std::string::npos);
  CHECK(problem("line.listen = []").find("at least one address") != std::string::npos);
  CHECK(problem("line = 3").find("unknown key \"line\"") != std::string::npos);
  CHECK(problem("scanner.allow = [\"10.0.0.0/33\"]").find("scanner.allow") != std::string::npos);
  CHECK(problem("scanner.allow = [7]").find("list of networks") != std::string::npos);
  CHECK(problem("scanner.resolvers = [\"127.0.0.1:0\"]").find("address:port") != std::string::npos);
  CHECK(problem("x = [").rfind("t.toml:1", 0) == 0);
}

TEST_CASE("listen addresses") {
  CHECK(parse_listen_address("127.0.0.1:10023", false).has_value());
  CHECK(parse_listen_address("[::1]:1", false)->to_string() == "[::1]:1");
  for (const char* wrong : {"", "10023", "localhost:1", "127.0.0.1", "::1:10023", "127.0.0.1:65536",
                            "127.0.0.1:-1", "[127.0.0.1]:1", "127.0.0.1:1x", "127.0.0.1:0"}) {
    INFO(wrong);
    CHECK(parse_listen_address(wrong, false).has_error());
  }
}

TEST_CASE("a file that cannot be read says so") {
  CHECK(load_config("/nonexistent/x.toml").error().detail.find("cannot read") == 0);
}
