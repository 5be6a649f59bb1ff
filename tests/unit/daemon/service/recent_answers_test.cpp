// The replies that a thread remembers word for word: found by the whole line, for as long as they
// hold.
#include "daemon/service/recent_answers.hpp"

#include "tests/unit/daemon/service/service_fixture.hpp"

using namespace certline;
using namespace certline::runtime;
using namespace certline::service;

namespace {

struct Recent : ServiceFixture {
  RecentAnswers answers{*store};
  RecentAnswers::Basis basis;

  Recent() {
    REQUIRE(code("command add domain a.example.org apikey " + kKey) == 200);
    REQUIRE(store->write([](store::WriteView&) {}) == store::CommitOutcome::committed);  // settled
    const auto stamped = store->stamp(store->read(), pki::sha256(kKey), 1, "a.example.org", 1);
    REQUIRE(stamped.has_value());
    basis = {*stamped, 7, kStart, kStart + 100};
  }
  std::string_view find(std::string_view line) { return answers.find(line, 7, time); }
};

}  // namespace

TEST_CASE("a reply is found by its whole line, and the last one kept counts") {
  Recent r;
  CHECK(r.find("line").empty());
  CHECK(r.find("").empty());
  r.answers.keep("line", "reply\n", r.basis);
  CHECK(r.find("line") == "reply\n");
  CHECK(r.find("lin").empty());
  CHECK(r.find("linereply\n").empty());
  r.answers.keep("line", "another\n", r.basis);
  CHECK(r.find("line") == "another\n");
}

TEST_CASE("a reply holds for its time, its settings and its rows") {
  Recent r;
  r.answers.keep("line", "reply\n", r.basis);
  CHECK(r.answers.find("line", 8, r.time).empty());
  CHECK(r.answers.find("line", 7, Recent::kStart - 1).empty());
  CHECK(r.answers.find("line", 7, Recent::kStart + 99) == "reply\n");
  CHECK(r.answers.find("line", 7, Recent::kStart + 100).empty());
  REQUIRE(r.code("command remove domain a.example.org apikey " + kKey) == 200);
  CHECK(r.find("line").empty());
}

TEST_CASE("many lines make room for each other; what is too long is left out") {
  Recent r;
  const auto line = [](int i) { return "line " + std::to_string(i); };
  for (int i = 0; i < 20'000; ++i) r.answers.keep(line(i), line(i) + " reply", r.basis);
  int kept = 0;
  for (int i = 0; i < 20'000; ++i) {
    const auto found = r.find(line(i));
    if (found.empty()) continue;
    REQUIRE(found == line(i) + " reply");
    ++kept;
  }
  CHECK(kept > 3500);
  CHECK(kept <= 4096);
  r.answers.keep("long", std::string(2000, 'x'), r.basis);
  CHECK(r.find("long").empty());
}
