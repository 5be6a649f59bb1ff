// Chains with several ways to a root. A bad sibling must not hide a good path, and a graph made to
// be walked for ever must end within its budgets.

#include "pki/path_search.hpp"
#include "make_certificate.hpp"

namespace certline::pki {
namespace {

using namespace test;

CertificatePtr parsed(const Made& made) {
  CertificatePtr out = Certificate::parse(made.observed().der);
  REQUIRE(out);
  return out;
}

TEST_CASE("an expired sibling intermediate does not hide the good one") {
  const Made root = make_root("Root");
  const SharedKey key = curve_key();
  const Made old_ca = make_intermediate("CA", root, {.to = kNow - 1, .key = key});
  const Made new_ca = make_intermediate("CA", root, {.key = key});
  const Made leaf = make_leaf(new_ca);
  CHECK(judge({&root}, {&leaf, &old_ca, &new_ca}).state == ScanState::ok);
  CHECK(judge({&root}, {&leaf, &new_ca, &old_ca}).state == ScanState::ok);
  CHECK(judge({&root}, {&leaf, &old_ca}).state == ScanState::expired);
}

TEST_CASE("a badly constrained sibling that is valid longer does not hide the good one") {
  const Made root = make_root("Root");
  const SharedKey key = curve_key();
  const Made bad = make_intermediate(
      "CA", root,
      {.to = kNow + 900 * kDay,
       .extensions = {{NID_name_constraints, "critical,permitted;DNS:example.net"}},
       .key = key});
  const Made good = make_intermediate("CA", root, {.key = key});
  const Made leaf = make_leaf(good);
  const Verdict verdict = judge({&root}, {&leaf, &bad, &good});
  CHECK(verdict.state == ScanState::ok);
  REQUIRE(verdict.proven_intermediates.size() == 1);
  CHECK(verdict.proven_intermediates[0].sha256 == good.observed().sha256);
}

TEST_CASE("cross-signed: whichever root is known") {
  const SharedKey key = curve_key();
  const Made old_root = make_root("Old root"), new_root = make_root("New root", {.key = key});
  const Made cross = make_intermediate("New root", old_root, {.key = key});
  const Made ca = make_intermediate("CA", new_root), leaf = make_leaf(ca);
  for (const Made* root : {&old_root, &new_root}) {
    CHECK(judge({root}, {&leaf, &ca, &cross}).state == ScanState::ok);
    CHECK(judge({root}, {&leaf, &cross, &ca, &new_root}).state == ScanState::ok);
  }
  const Made expired_cross = make_intermediate("New root", old_root, {.to = kNow - 1, .key = key});
  CHECK(judge({&new_root, &old_root}, {&leaf, &ca, &expired_cross}).state == ScanState::ok);
  CHECK(judge({&old_root}, {&leaf, &ca, &expired_cross}).state == ScanState::expired);
}

TEST_CASE("a namesake that sent no key identifiers is passed over for the real issuer") {
  const Made root = make_root("Root");
  const Made fake = make_intermediate("CA", root, {.to = kNow + 900 * kDay, .key_ids = false});
  const Made real = make_intermediate("CA", root, {.key_ids = false});
  const Made leaf = make_leaf(real, {.key_ids = false});
  CHECK(judge({&root}, {&leaf, &fake, &real}).state == ScanState::ok);
}

TEST_CASE("a root that changed its key under its old name") {
  const Made root = make_root("Root"), next = make_root("Root");
  const Made bridge = make({.subject = "Root", .ca = true, .key = next.key}, &root);
  const Made leaf = make_leaf(next);
  CHECK(judge({&root}, {&leaf, &bridge}).state == ScanState::ok);
  CHECK(judge({&next}, {&leaf, &bridge}).state == ScanState::ok);
}

TEST_CASE("an intermediate in the store is an anchor") {
  const Made root = make_root("Root"), ca = make_intermediate("CA", root), leaf = make_leaf(ca);
  CHECK(judge({&ca}, {&leaf, &ca}).state == ScanState::ok);
  CHECK(judge({&ca}, {&leaf}).state == ScanState::ok);
}

TEST_CASE("depth is bounded at ten certificates below the root") {
  const auto state = [](int intermediates) {
    const Made root = make_root("Root");
    std::vector<Made> all = {root};
    for (int i = 0; i < intermediates; ++i) {
      all.push_back(make_intermediate("CA " + std::to_string(i), all.back()));
    }
    const Made leaf = make_leaf(all.back());
    std::vector<const Made*> sent = {&leaf};
    for (std::size_t i = all.size(); i-- > 1;) sent.push_back(&all[i]);
    return judge({&root}, sent).state;
  };
  CHECK(state(9) == ScanState::ok);
  CHECK(state(10) != ScanState::ok);
}

// Every CA signs every other, all of one validity: exponentially many simple paths, none of which
// reaches a root that verifies.
TEST_CASE("mutual cross-signatures end within the budgets") {
  constexpr int kAuthorities = 30;
  std::vector<Made> authorities;
  for (int i = 0; i < kAuthorities; ++i) {
    authorities.push_back(make_root("CA " + std::to_string(i), {.key_ids = false}));
  }
  std::vector<CertificatePtr> sent;
  for (int subject = 0; subject < kAuthorities; ++subject) {
    for (int issuer = 0; issuer < kAuthorities; ++issuer) {
      if (subject == issuer) continue;
      const Spec spec{.key = authorities[subject].key, .key_ids = false};
      sent.push_back(
          parsed(make_intermediate("CA " + std::to_string(subject), authorities[issuer], spec)));
    }
  }
  const CertificatePtr leaf = parsed(make_leaf(authorities[0], {.key_ids = false}));
  const PathRules rules{.deadline = std::chrono::hours(1)};

  SECTION("no root at all: the step cap ends it") {
    const Made elsewhere = make_root("Elsewhere");
    const auto trust = store_of({&elsewhere});
    const PathResult result = find_path({leaf, sent, *trust, nullptr, kNow}, rules);
    CHECK_FALSE(result.anchored);
    CHECK(result.out_of_budget);
    CHECK_FALSE(result.out_of_time);
    CHECK(result.steps == rules.most_steps + 1);
    REQUIRE(result.problems.size() == 1);
    CHECK(result.problems[0].state == ScanState::untrusted_root);
  }
  SECTION("a root's namesake with another key: the tries end it") {
    const Made namesake = make_root("CA 29");
    const auto trust = store_of({&namesake});
    const PathResult result = find_path({leaf, sent, *trust, nullptr, kNow}, rules);
    CHECK(result.anchored);
    CHECK(result.out_of_budget);
    CHECK(result.tries == rules.most_tries);
    CHECK_FALSE(result.problems.empty());
  }
  SECTION("no time left: one try is still made") {
    const Made namesake = make_root("CA 29");
    const auto trust = store_of({&namesake});
    const PathRules hurried{.deadline = std::chrono::milliseconds(0)};
    const PathResult result = find_path({leaf, sent, *trust, nullptr, kNow}, hurried);
    CHECK(result.out_of_time);
    CHECK(result.tries == 1);
    CHECK_FALSE(result.problems.empty());
  }
  SECTION("the real root: found at once") {
    const auto trust = store_of({&authorities[3]});
    const PathResult result = find_path({leaf, sent, *trust, nullptr, kNow}, rules);
    CHECK(result.anchored);
    CHECK(result.problems.empty());
  }
}

TEST_CASE("the pool completes a chain, and says so") {
  const Made root = make_root("Root"), ca = make_intermediate("CA", root), leaf = make_leaf(ca);
  const auto pool = IntermediatePool::create();
  const auto verifier = Verifier::create(store_of({&root}), pool);
  const auto chain = chain_of({&leaf});
  Verdict verdict = verifier->judge(input_of(chain));
  CHECK(verdict.state == ScanState::incomplete_chain);
  CHECK_FALSE(verdict.completed_from_pool);
  CHECK(pool->add(ca.observed()));
  CHECK_FALSE(pool->add(ca.observed()));
  verdict = verifier->judge(input_of(chain));
  CHECK(verdict.state == ScanState::incomplete_chain);
  CHECK(verdict.completed_from_pool);
  CHECK_FALSE(verdict.trusted);
  CHECK(verdict.proven_intermediates.empty());
  const auto full = chain_of({&leaf, &ca});
  verdict = verifier->judge(input_of(full));
  CHECK(verdict.state == ScanState::ok);
  CHECK_FALSE(verdict.completed_from_pool);
}

TEST_CASE("the pool is bounded: the oldest goes") {
  const Made root = make_root("Root");
  const Made a = make_intermediate("A", root), b = make_intermediate("B", root),
             c = make_intermediate("C", root);
  const auto pool = IntermediatePool::create(2);
  CHECK(pool->add(a.observed()));
  CHECK(pool->add(b.observed()));
  CHECK(pool->add(c.observed()));
  CHECK(pool->size() == 2);
  CHECK(pool->issuers_of(*parsed(make_leaf(a))).empty());
  CHECK(pool->issuers_of(*parsed(make_leaf(b))).size() == 1);
  CHECK(pool->issuers_of(*parsed(make_leaf(c))).size() == 1);
  CHECK_FALSE(pool->add({}));
  CHECK(pool->size() == 2);
}

}  // namespace
}  // namespace certline::pki
