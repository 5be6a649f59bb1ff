// The configuration file: defaults, every fixed key, and errors that name the line.
#include "daemon/runtime/config.hpp"

#include <catch2/catch.hpp>

using namespace certline;
using namespace certline::runtime;

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
  CHECK(problem("line = {listen = [], socket = \"\"}").find("at least one address") !=
        std::string::npos);
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

TEST_CASE("HTTP, TLS and the Unix socket") {
  const Config defaults = good("");
  REQUIRE(defaults.http.listen.size() == 1);
  CHECK(defaults.http.listen[0].to_string() == "127.0.0.1:10080");
  CHECK(defaults.http.listen_tls[0].to_string() == "127.0.0.1:10443");
  CHECK(defaults.line.listen_tls[0].to_string() == "127.0.0.1:10024");
  CHECK(defaults.line.socket == "/run/certline/line.sock");
  CHECK_FALSE(defaults.tls.on());
  const Config config = good(R"(
[line]
listen = []
listen_tls = ["127.0.0.1:0"]
socket = ""
[http]
listen = []
public_url = "https://certline.example.org"
head_ms = 700
requests_per_connection = 3
[tls]
certificate = "/tmp/chain.pem"
key = "/tmp/key.pem"
handshake_ms = 900
handshakes = 5
handshakes_per_source = 2
)");
  CHECK(config.http.listen.empty());
  CHECK(config.http.public_url == "https://certline.example.org");
  CHECK(config.http.limits.head.count() == 700);
  CHECK(config.http.limits.requests_per_connection == 3);
  CHECK(config.tls.on());
  CHECK(config.tls.handshakes.deadline.count() == 900);
  CHECK(config.tls.handshakes.in_total == 5);
  CHECK(config.tls.handshakes.per_source == 2);
  CHECK(problem("tls.key = \"/tmp/key.pem\"").find("belong together") != std::string::npos);
  CHECK(problem("http.public_url = \"certline.example.org\"").find("http.public_url") !=
        std::string::npos);
  CHECK(problem("http.public_url = \"https://a.example/\"").find("no slash") != std::string::npos);
}

TEST_CASE("accounts, mail and channels") {
  const Config config = good(R"(
[accounts]
verification = "email"
[limits]
unconfirmed_keys = 7
new_accounts_per_source = 2
[notify]
address = "Hostmaster@Example.org"
digest = "weekly"
gather_s = 0
[smtp]
server = "127.0.0.1:25"
tls = "opportunistic"
from = "certline@example.org"
[[channel]]
name = "chat"
kind = "webhook"
url = "http://127.0.0.1:8080/hook"
form = "ntfy"
timeout_s = 3
[[channel]]
name = "pager"
kind = "program"
command = ["/bin/true", "-x"]
account = "Ops@Example.org"
)");
  CHECK(config.verification == Verification::email);
  CHECK(config.accounts.unconfirmed_keys == 7);
  CHECK(config.accounts.new_accounts_per_source == 2);
  CHECK(config.notify.address == "hostmaster@example.org");
  CHECK(config.notify.digest == Digest::weekly);
  CHECK(config.smtp.tls == MailTls::opportunistic);
  REQUIRE(config.channels.size() == 2);
  CHECK(config.channels[0].form == WebhookForm::ntfy);
  CHECK(config.channels[0].timeout_s == 3);
  CHECK(config.channels[1].kind == ChannelKind::program);
  CHECK(config.channels[1].command == std::vector<std::string>{"/bin/true", "-x"});
  CHECK(config.channels[1].account == "ops@example.org");
}

TEST_CASE("what is wrong with mail and channels is said") {
  const auto says = [](std::string_view toml, std::string_view words) {
    const std::string said = problem(toml);
    INFO(said);
    CHECK(said.find(words) != std::string::npos);
  };
  says("accounts.verification = \"email\"", "needs smtp.server");
  says("smtp = {server = \"mail.example.org:25\"}", "smtp.from");
  says("smtp = {server = \"mail.example.org\", from = \"a@example.org\"}", "host:port");
  says("smtp = {user = \"x\"}", "belong together");
  says("notify.address = \"nobody\"", "e-mail address");
  says("channel = 3", "[[channel]]");
  says("[[channel]]\nname = \"mail\"", "name: write");
  says("[[channel]]\nname = \"Ops!\"", "name: write");
  says("[[channel]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"ftp://x/\"", "url: write");
  says("[[channel]]\nname = \"a\"\nkind = \"program\"\ncommand = [\"page\"]", "whole path");
  says("[[channel]]\nname = \"a\"\nkind = \"fax\"", "write one of");
  says("[[channel]]\nname = \"a\"\ncolour = \"red\"", "unknown key");
  says("[[channel]]\nname = \"a\"\ntimeout_s = 0", "from 1 to 60");
  says("[[channel]]\nname = \"a\"\nkind = \"email\"\nto = \"a@example.org\"", "needs smtp.server");
  const std::string hook =
      "[[channel]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"http://x.example/\"\n";
  says(hook + hook, "two are called");
}
