// Chains made to keep a verifier busy. Each must end within the step cap, within the tries, and
// within 50 ms of the thread's own time (the best of three, because a shared machine's clock is
// rough).

#include <algorithm>

#include "make_certificate.hpp"
#include "pki/path_search.hpp"

#include <openssl/core_names.h>
#include <openssl/param_build.h>

namespace certline::pki {
namespace {

using namespace test;

// A sanitizer's allocator slows down what OpenSSL allocates, above all while it parses.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kSlowness = 2;
#else
constexpr int kSlowness = 1;
#endif
constexpr std::chrono::milliseconds kBudget{50 * kSlowness};

struct Timed {
  Verdict verdict;
  std::chrono::nanoseconds best = std::chrono::hours(1);
};

// Fresh verifiers: nothing is remembered from the round before.
Timed timed(const std::shared_ptr<const TrustStore>& trust,
            const std::vector<ObservedCertificate>& chain,
            const std::shared_ptr<IntermediatePool>& pool = IntermediatePool::create()) {
  Timed out;
  for (int round = 0; round < 3; ++round) {
    const auto verifier = Verifier::create(trust, pool);
    const auto start = thread_time();
    out.verdict = verifier->judge(input_of(chain));
    out.best = std::min(out.best, thread_time() - start);
  }
  return out;
}

void check_ends(const Timed& timed) {
  INFO("took " << timed.best.count() / 1000 << " us: " << scan_state_name(timed.verdict.state)
               << ": " << timed.verdict.detail);
  CHECK(timed.best < kBudget);
}

CertificatePtr parsed(const ObservedCertificate& observed) {
  CertificatePtr out = Certificate::parse(observed.der);
  REQUIRE(out);
  return out;
}

// The same chain through the search alone, without a deadline: its counts do not depend on a clock.
PathResult counted(const std::shared_ptr<const TrustStore>& trust,
                   const std::vector<ObservedCertificate>& chain) {
  std::vector<CertificatePtr> sent;
  for (std::size_t i = 1; i < chain.size(); ++i) sent.push_back(parsed(chain[i]));
  const PathRules rules{.deadline = std::chrono::hours(1)};
  PathResult out = find_path({parsed(chain[0]), sent, *trust, nullptr, kNow}, rules);
  CHECK(out.steps <= rules.most_steps + 1);
  CHECK(out.tries <= rules.most_tries);
  return out;
}

// CAs of one name, each with its own key, each certified by the `width` keys that follow. Their key
// identifiers tell them apart and none of them is self-signed.
std::vector<ObservedCertificate> namesake_mesh(const Made& root, int authorities, int width,
                                               Spec spec = {}) {
  std::vector<Made> by_root;
  for (int i = 0; i < authorities; ++i) {
    spec.key = nullptr;
    by_root.push_back(make_intermediate("CA", root, spec));
  }
  std::vector<ObservedCertificate> out = {make_leaf(by_root.front()).observed()};
  for (int i = 0; i < authorities; ++i) {
    for (int step = 1; step <= width; ++step) {
      spec.key = by_root[static_cast<std::size_t>(i)].key;
      const Made& above = by_root[static_cast<std::size_t>((i + step) % authorities)];
      out.push_back(make_intermediate("CA", above, spec).observed());
    }
  }
  return out;
}

TEST_CASE("a mesh of namesakes with different keys") {
  const Made root = make_root("Root"), namesake = make_root("CA");
  const auto chain = namesake_mesh(root, 8, 4);
  REQUIRE(chain.size() == 33);
  SECTION("no root: the step cap ends it") {
    const auto trust = store_of({&root});
    const PathResult result = counted(trust, chain);
    CHECK_FALSE(result.anchored);
    CHECK(result.out_of_budget);
    CHECK(result.steps == 2001);
    const Timed end = timed(trust, chain);
    check_ends(end);
    CHECK(end.verdict.state == ScanState::untrusted_root);
  }
  SECTION("a root of that name with yet another key: the tries end it") {
    const auto trust = store_of({&namesake});
    const PathResult result = counted(trust, chain);
    CHECK(result.anchored);
    CHECK(result.out_of_budget);
    CHECK(result.tries == 32);
    const Timed end = timed(trust, chain);
    check_ends(end);
    CHECK(end.verdict.state == ScanState::bad_certificate);
    CHECK_FALSE(end.verdict.trusted);
  }
  SECTION("forty such roots") {
    std::vector<Made> many;
    for (int i = 0; i < 40; ++i) many.push_back(make_root("CA"));
    std::vector<const Made*> roots;
    for (const Made& one : many) roots.push_back(&one);
    const auto trust = store_of(roots);
    CHECK(counted(trust, chain).tries == 32);
    check_ends(timed(trust, chain));
  }
}

TEST_CASE("a mesh under a name of 15 KiB") {
  const Made root = make_root("Root");
  Spec spec;
  spec.more_names = std::vector<std::string>(190, std::string(64, 'n'));
  const auto chain = namesake_mesh(root, 8, 4, spec);
  REQUIRE(chain.size() == 33);
  REQUIRE(chain.back().der.size() > 28'000);
  const auto trust = store_of({&root});
  CHECK(counted(trust, chain).out_of_budget);
  check_ends(timed(trust, chain));
}

TEST_CASE("loops: two that sign each other, and one that signs itself under new keys") {
  const Made root = make_root("Root");
  const Made a = make_root("A", {.key_ids = false}), b = make_root("B", {.key_ids = false});
  const Made a_by_b = make_intermediate("A", b, {.key = a.key, .key_ids = false});
  const Made b_by_a = make_intermediate("B", a, {.key = b.key, .key_ids = false});
  const Made leaf = make_leaf(a, {.key_ids = false});
  const auto trust = store_of({&root});
  const auto chain = chain_of({&leaf, &a_by_b, &b_by_a});
  const PathResult result = counted(trust, chain);
  CHECK_FALSE(result.anchored);
  CHECK_FALSE(result.out_of_budget);
  CHECK(result.steps <= 4);
  CHECK(timed(trust, chain).verdict.state == ScanState::untrusted_root);
  // The way out of the loop is found, whichever of the two the root vouches for.
  const Made out = make_intermediate("B", root, {.key = b.key, .key_ids = false});
  const auto open = chain_of({&leaf, &a_by_b, &b_by_a, &out});
  CHECK(timed(trust, open).verdict.state == ScanState::ok);
}

TEST_CASE("one key under many names, each certified by the next") {
  const Made root = make_root("Root");
  const SharedKey key = curve_key();
  std::vector<Made> authorities = {make_intermediate("CA 0", root, {.key = key})};
  for (int i = 1; i < 31; ++i) {
    authorities.push_back(
        make_intermediate("CA " + std::to_string(i), authorities.back(), {.key = key}));
  }
  const Made leaf = make_leaf(authorities.back()), direct = make_leaf(authorities.front());
  std::vector<const Made*> sent = {&leaf};
  for (const Made& one : authorities) sent.push_back(&one);
  const auto trust = store_of({&root});
  const Timed deep = timed(trust, chain_of(sent));
  check_ends(deep);
  CHECK(deep.verdict.state == ScanState::untrusted_root);  // deeper than ten
  sent[0] = &direct;
  CHECK(timed(trust, chain_of(sent)).verdict.state == ScanState::ok);
}

TEST_CASE("a hundred certificates: the first 32 are looked at") {
  const Made root = make_root("Root"), ca = make_intermediate("CA", root), leaf = make_leaf(ca);
  std::vector<Made> strangers;
  for (int i = 0; i < 98; ++i) strangers.push_back(make_root("Stranger"));
  const auto trust = store_of({&root});
  const auto chain_with_issuer_at = [&](std::size_t at) {
    std::vector<const Made*> sent = {&leaf};
    for (const Made& stranger : strangers) sent.push_back(&stranger);
    sent.insert(sent.begin() + static_cast<std::ptrdiff_t>(at), &ca);
    REQUIRE(sent.size() == 100);
    return chain_of(sent);
  };
  const Timed within = timed(trust, chain_with_issuer_at(31));
  check_ends(within);
  CHECK(within.verdict.state == ScanState::ok);
  const Timed behind = timed(trust, chain_with_issuer_at(32));
  check_ends(behind);
  CHECK(behind.verdict.state == ScanState::incomplete_chain);
}

// An RSA key whose public exponent is as long as its modulus.
SharedKey long_exponent_key(const SharedKey& ordinary) {
  BIGNUM* e = nullptr;
  BIGNUM* d = nullptr;
  BIGNUM* n = nullptr;
  REQUIRE(EVP_PKEY_get_bn_param(ordinary.get(), OSSL_PKEY_PARAM_RSA_E, &e) == 1);
  REQUIRE(EVP_PKEY_get_bn_param(ordinary.get(), OSSL_PKEY_PARAM_RSA_D, &d) == 1);
  REQUIRE(EVP_PKEY_get_bn_param(ordinary.get(), OSSL_PKEY_PARAM_RSA_N, &n) == 1);
  const BigNumberHandle own_e(e), own_d(d), own_n(n);
  const std::unique_ptr<OSSL_PARAM_BLD, OpensslDeleter<OSSL_PARAM_BLD_free>> builder(
      OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n);
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, d);  // the two change places
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_D, e);
  const std::unique_ptr<OSSL_PARAM, OpensslDeleter<OSSL_PARAM_free>> parameters(
      OSSL_PARAM_BLD_to_param(builder.get()));
  const std::unique_ptr<EVP_PKEY_CTX, OpensslDeleter<EVP_PKEY_CTX_free>> context(
      EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* out = nullptr;
  REQUIRE(EVP_PKEY_fromdata_init(context.get()) == 1);
  REQUIRE(EVP_PKEY_fromdata(context.get(), &out, EVP_PKEY_KEYPAIR, parameters.get()) == 1);
  return shared(out);
}

TEST_CASE("signatures by keys that take long: never verified, and refused") {
  const Made root = make_root("Root");
  const SharedKey slow = long_exponent_key(rsa_key(3072));
  std::vector<Made> authorities = {make_intermediate("CA 0", root, {.key = slow})};
  for (int i = 1; i < 9; ++i) {
    authorities.push_back(
        make_intermediate("CA " + std::to_string(i), authorities.back(), {.key = slow}));
  }
  const Made leaf = make_leaf(authorities.back());
  std::vector<const Made*> sent = {&leaf};
  for (const Made& one : authorities) sent.push_back(&one);
  const Timed trusted = timed(store_of({&root}), chain_of(sent));
  check_ends(trusted);
  CHECK(trusted.verdict.state == ScanState::bad_certificate);
  CHECK(trusted.verdict.detail.find("exponent") != std::string::npos);
  const Made elsewhere = make_root("Elsewhere");
  const Timed untrusted = timed(store_of({&elsewhere}), chain_of(sent));
  check_ends(untrusted);
  CHECK_FALSE(untrusted.verdict.trusted);
}

// Eight levels of two certificates each, on the slowest curve that browsers take; only the leaf's
// signature is wrong, so that every path has to be verified to its end.
TEST_CASE("many good paths over a bad leaf end with the deadline, with and without a pool") {
  const Made root = make_root("Root");
  std::vector<Made> levels = {root}, sent;
  for (int i = 0; i < 8; ++i) {
    const Spec spec{.key = curve_key("P-384"), .key_ids = false};
    const std::string name = "CA " + std::to_string(i);
    sent.push_back(make_intermediate(name, levels.back(), spec));
    sent.push_back(make_intermediate(name, levels.back(), spec));
    levels.push_back(sent.back());
  }
  const Made namesake = make_root("CA 7");
  const Made leaf = make_leaf(namesake, {.key_ids = false});
  std::vector<const Made*> all = {&leaf};
  for (const Made& one : sent) all.push_back(&one);
  const auto trust = store_of({&root});
  const PathResult result = counted(trust, chain_of(all));
  CHECK(result.tries == 32);
  CHECK(result.out_of_budget);
  const auto pool = IntermediatePool::create();
  for (const auto& known : {IntermediatePool::create(), pool}) {
    const Timed end = timed(trust, chain_of(all), known);
    check_ends(end);
    CHECK(end.verdict.state == ScanState::bad_certificate);
    for (const Made& one : sent) pool->add(one.observed());
  }
}

TEST_CASE("many names under many constraints: refused, not compared") {
  const Made root = make_root("Root");
  const auto list = [](int count, const std::string& first, const std::string& each) {
    std::string out = first;
    for (int i = 0; i < count; ++i) out += "," + each + std::to_string(i) + ".example.net";
    return out;
  };
  const auto verdict_on = [&](int constraints, int names) {
    const Made ca = make_intermediate(
        "CA", root,
        {.extensions = {{NID_name_constraints,
                         list(constraints, "excluded;DNS:z.example", "excluded;DNS:x")}}});
    const Made leaf = make_leaf(ca, {.names = {list(names, "DNS:www.example.org", "DNS:*.y")}});
    const Timed out = timed(store_of({&root}), chain_of({&leaf, &ca}));
    check_ends(out);
    return out.verdict;
  };
  CHECK(verdict_on(300, 300).state == ScanState::ok);
  const Verdict refused = verdict_on(2000, 2000);
  CHECK(refused.state == ScanState::bad_certificate);
  CHECK(refused.detail.find("too many names") != std::string::npos);
}

}  // namespace
}  // namespace certline::pki
