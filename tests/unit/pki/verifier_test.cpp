// What the shared verifier adds to a verdict: memory that ends at the next date, and a trust store
// that is loaded and changes under running threads.

#include <atomic>
#include <thread>

#include "make_certificate.hpp"
#include "pki/bounded_cache.hpp"

namespace certline::pki {
namespace {

using namespace test;

TEST_CASE("a remembered verdict ends with the leaf, within the day") {
  const Made root = make_root("Root");
  const Made leaf = make_leaf(root, {.from = kNow - 100, .to = kNow + 100});
  const auto verifier = Verifier::create(store_of({&root}), IntermediatePool::create());
  const auto chain = chain_of({&leaf});
  const auto state = [&](UtcTime now) { return verifier->judge(input_of(chain, now)).state; };
  CHECK(state(kNow) == ScanState::ok);
  CHECK(state(kNow + 100) == ScanState::ok);
  CHECK(state(kNow + 101) == ScanState::expired);
  CHECK(state(kNow + 50) == ScanState::ok);  // the clock went back
  CHECK(state(kNow - 101) == ScanState::not_yet_valid);
  CHECK(state(kNow - 100) == ScanState::ok);
  CHECK(state(kNow + kDay) == ScanState::expired);
}

TEST_CASE("a remembered verdict ends with an intermediate, and with one that begins") {
  const Made root = make_root("Root");
  const SharedKey key = curve_key();
  const Made now_ca = make_intermediate("CA", root, {.to = kNow + 100, .key = key});
  const Made next_ca = make_intermediate("CA", root, {.from = kNow + 200, .key = key});
  const Made leaf = make_leaf(now_ca);
  const auto verifier = Verifier::create(store_of({&root}), IntermediatePool::create());
  const auto chain = chain_of({&leaf, &now_ca, &next_ca});
  const auto state = [&](UtcTime now) { return verifier->judge(input_of(chain, now)).state; };
  CHECK(state(kNow) == ScanState::ok);
  CHECK(state(kNow + 100) == ScanState::ok);
  CHECK(state(kNow + 101) != ScanState::ok);
  CHECK(state(kNow + 199) != ScanState::ok);
  CHECK(state(kNow + 200) == ScanState::ok);
}

TEST_CASE("remembered and fresh verdicts are alike, and another name is another verdict") {
  const Made root = make_root("Root"), ca = make_intermediate("CA", root), leaf = make_leaf(ca);
  const auto verifier = Verifier::create(store_of({&root}), IntermediatePool::create());
  const auto chain = chain_of({&leaf, &ca});
  const Verdict fresh = verifier->judge(input_of(chain)), again = verifier->judge(input_of(chain));
  CHECK(again.state == fresh.state);
  CHECK(again.not_after == fresh.not_after);
  REQUIRE(again.proven_intermediates.size() == 1);
  CHECK(again.proven_intermediates[0].der == ca.observed().der);
  CHECK(verifier->judge(input_of(chain, kNow, "mail.example.org")).state == ScanState::wrong_host);
}

TEST_CASE("a leaf that is parsed already is judged like its bytes") {
  const Made root = make_root("Root"), ca = make_intermediate("CA", root);
  const Made good = make_leaf(ca), late = make_leaf(ca, {.to = kNow - 1});
  const Made stranger = make_leaf(ca, {.names = {"DNS:other.example.org"}});
  const auto trust = store_of({&root});
  for (const Made* leaf : {&good, &late, &stranger}) {
    const auto chain = chain_of({leaf, &ca});
    const Verdict by_bytes = judge(trust, input_of(chain));
    const unsigned char* at = chain.front().der.data();
    CertificateHandle parsed(d2i_X509(nullptr, &at, static_cast<long>(chain.front().der.size())));
    ChainInput input = input_of(chain);
    input.parsed_leaf = parsed.get();
    const auto verifier = Verifier::create(trust, IntermediatePool::create());
    const Verdict by_object = verifier->judge(input);
    parsed.reset();
    CHECK(by_object.state == by_bytes.state);
    CHECK(by_object.detail == by_bytes.detail);
    CHECK(by_object.not_after == by_bytes.not_after);
    input.parsed_leaf = nullptr;
    CHECK(verifier->judge(input).state == by_bytes.state);
  }
}

TEST_CASE("a wrong digest beside the bytes changes nothing") {
  const Made root = make_root("Root"), leaf = make_leaf(root), other = make_root("Other");
  const Made foreign = make_leaf(other);
  const auto verifier = Verifier::create(store_of({&root}), IntermediatePool::create());
  auto chain = chain_of({&leaf});
  CHECK(verifier->judge(input_of(chain)).trusted);
  auto forged = chain_of({&foreign});
  forged[0].sha256 = chain[0].sha256;
  CHECK_FALSE(verifier->judge(input_of(forged)).trusted);
}

TEST_CASE("set_trust takes effect on remembered verdicts, and under running threads") {
  const Made root = make_root("Root"), other = make_root("Other"), leaf = make_leaf(root);
  const auto trusting = store_of({&root}), strict = store_of({&other});
  const auto verifier = Verifier::create(trusting, IntermediatePool::create());
  const auto chain = chain_of({&leaf});
  CHECK(verifier->judge(input_of(chain)).trusted);
  verifier->set_trust(strict);
  CHECK_FALSE(verifier->judge(input_of(chain)).trusted);

  std::atomic<int> odd = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        if (t == 0) verifier->set_trust(i % 2 == 0 ? trusting : strict);
        const ScanState state = verifier->judge(input_of(chain, kNow + i * kDay / 4)).state;
        if (state != ScanState::ok && state != ScanState::incomplete_chain) ++odd;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(odd == 0);
  verifier->set_trust(trusting);
  CHECK(verifier->judge(input_of(chain)).trusted);
  verifier->set_trust(nullptr);
  CHECK_FALSE(verifier->judge(input_of(chain)).trusted);
}

TEST_CASE("the bounded cache forgets the oldest") {
  BoundedCache<int> cache(160);
  for (int i = 0; i < 10'000; ++i) cache.put(sha256(std::to_string(i)), i);
  CHECK(cache.size() <= 176);
  CHECK_FALSE(cache.find(sha256("0")).has_value());
  CHECK(cache.find(sha256("9999")) == 9999);
  cache.put(sha256("9999"), 1);
  CHECK(cache.find(sha256("9999")) == 1);
}

TEST_CASE("loading a trust store") {
  const Scratch scratch;
  const auto load = [&](const std::string& text) {
    const std::string file = (scratch.path() / "roots.pem").string();
    std::ofstream(file, std::ios::trunc) << text;
    return TrustStore::load(file);
  };
  const Made a = make_root("A"), b = make_root("B");
  const std::string pem_a = pem_of(a.x.get()), pem_b = pem_of(b.x.get());
  const auto both = load("# roots\n" + pem_a + pem_b + pem_a);
  REQUIRE(both.has_value());
  CHECK((*both)->size() == 2);
  CHECK((*load(pem_b + pem_a))->version() == (*both)->version());
  CHECK((*load(pem_a))->version() != (*both)->version());
  const std::string broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  CHECK((*load(broken + pem_b))->size() == 1);
  for (const std::string& text :
       {std::string(), std::string("junk"), broken, pem_a.substr(0, 80)}) {
    const auto none = load(text);
    REQUIRE(none.has_error());
    CHECK(none.error().kind == ErrorKind::unavailable);
  }
  CHECK(TrustStore::load((scratch.path() / "missing").string()).error().kind ==
        ErrorKind::unavailable);
  CHECK(TrustStore::load(scratch.path().string()).has_error());
}

}  // namespace
}  // namespace certline::pki
