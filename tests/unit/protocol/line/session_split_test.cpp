// However the bytes are cut, the same requests are executed and the same bytes come back.
#include <catch2/catch.hpp>

#include <random>

#include "tests/unit/protocol/line/session_driver.hpp"

using namespace certline;
using namespace certline::line;
using test::Driver;

namespace {

struct Outcome {
  std::vector<std::string> executed;
  std::string output;
  std::string close_reason;
  bool operator==(const Outcome&) const = default;
};

Outcome run(std::string_view bytes, const std::vector<std::size_t>& cuts) {
  Driver d;
  std::size_t from = 0;
  for (const std::size_t cut : cuts) {
    d.send(bytes.substr(from, cut - from));
    from = cut;
  }
  d.send(bytes.substr(from));
  d.eof();
  REQUIRE(d.session.closing());
  return {d.executed, d.output, std::string(d.session.close_reason())};
}

const std::string kKey = "0123456789abcdef";

const std::string kTranscripts[] = {
    "command apikey\r\ncommand add domain a.org apikey " + kKey + "\n\n \t\r\nnonsense\r\n" +
        "apikey " + kKey + "\tdomain *.b.org:25 starttls smtp command ADD\ncommand ping\r\n" +
        std::string("\0\x01\r\r\n", 5) + "command expiration domain a.org wait 3 apikey " + kKey,
    "command domains apikey " + kKey + "\r\n\r",
    "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
    "EHLO\r\ncommand ping\r\n",
    "GET\r\ncommand ping\r\n",
    "\x16\x03\x01\x02",
    "\n\nGET / HTTP/1.0\n",
};

}  // namespace

TEST_CASE("cut once at every place") {
  for (const std::string& bytes : kTranscripts) {
    const Outcome whole = run(bytes, {});
    for (std::size_t i = 0; i <= bytes.size(); ++i) {
      if (run(bytes, {i}) != whole) FAIL("cut at " << i << " of " << quoted(bytes, 500));
    }
  }
}

TEST_CASE("cut twice at every pair of places") {
  for (const std::string& bytes : kTranscripts) {
    const Outcome whole = run(bytes, {});
    for (std::size_t i = 0; i <= bytes.size(); ++i) {
      for (std::size_t j = i; j <= bytes.size(); ++j) {
        if (run(bytes, {i, j}) != whole) FAIL("cuts at " << i << ", " << j);
      }
    }
  }
}

TEST_CASE("byte by byte") {
  for (const std::string& bytes : kTranscripts) {
    std::vector<std::size_t> cuts;
    for (std::size_t i = 0; i < bytes.size(); ++i) cuts.push_back(i);
    CHECK(run(bytes, cuts) == run(bytes, {}));
  }
}

TEST_CASE("lines around the longest, cut around their ends") {
  for (std::size_t extra = 0; extra < 5; ++extra) {
    for (const std::string end : {"\n", "\r\n", ""}) {
      std::string line = "command ping";
      line.resize(kLineBytes - 2 + extra, ' ');
      const std::string bytes = "command ping\n" + line + end + "command status\n";
      const Outcome whole = run(bytes, {});
      const std::size_t middle = 13 + line.size();
      for (std::size_t i = middle - 4; i <= middle + 4; ++i) {
        for (std::size_t j = i; j <= middle + 4; ++j) CHECK(run(bytes, {i, j}) == whole);
      }
    }
  }
}

TEST_CASE("random lines, random cuts") {
  std::mt19937 random(20230518);
  const std::string words[] = {
      "command", "ping", "status",      "domain", "a.org", "apikey", kKey, "add",
      " ",       "\t",   "\n",          "\r\n",   "\r",    "help",   "on", std::string(1, '\0'),
      "wait",    "30",   "\xc3\xbc.de", "x"};
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (std::size_t i = random() % 60; i > 0; --i) {
      bytes += words[random() % std::size(words)];
      if (random() % 2) bytes += ' ';
    }
    std::vector<std::size_t> cuts;
    for (std::size_t i = random() % 8; i > 0; --i) cuts.push_back(random() % (bytes.size() + 1));
    std::sort(cuts.begin(), cuts.end());
    if (run(bytes, cuts) != run(bytes, {})) FAIL("round " << round << ": " << quoted(bytes, 5000));
  }
}
