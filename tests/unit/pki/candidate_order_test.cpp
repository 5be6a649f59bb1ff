// Several candidate paths at once: the verdict must not depend on the order in which a server sends
// its certificates, so every order is tried.

#include <algorithm>
#include <numeric>

#include "make_certificate.hpp"

namespace certline::pki {
namespace {

using namespace test;

// The verdict that every order of `others` behind the leaf gives; the orders must agree.
Verdict in_every_order(const std::vector<const Made*>& roots, const Made& leaf,
                       const std::vector<const Made*>& others) {
  const auto trust = store_of(roots);
  std::vector<const Made*> all = {&leaf};
  all.insert(all.end(), others.begin(), others.end());
  const auto chain = chain_of(all);
  std::vector<std::size_t> order(others.size());
  std::iota(order.begin(), order.end(), 1);
  std::optional<Verdict> first;
  do {
    std::vector<ObservedCertificate> sent = {chain[0]};
    for (const std::size_t at : order) sent.push_back(chain[at]);
    Verdict verdict = judge(trust, input_of(sent));
    if (!first) {
      first = std::move(verdict);
      continue;
    }
    REQUIRE(verdict.state == first->state);
    REQUIRE(verdict.detail == first->detail);
    REQUIRE(verdict.proven_intermediates.size() == first->proven_intermediates.size());
  } while (std::next_permutation(order.begin(), order.end()));
  return *first;
}

// One CA, certified several times over: all but one of its certificates are of no use.
TEST_CASE("siblings of an intermediate, in every order") {
  const Made root = make_root("Root"), elsewhere = make_root("Elsewhere");
  const SharedKey key = curve_key();
  const Made expired = make_intermediate("CA", root, {.to = kNow - 1, .key = key});
  const Made future =
      make_intermediate("CA", root, {.from = kNow + kDay, .to = kNow + 900 * kDay, .key = key});
  const Made constrained = make_intermediate(
      "CA", root,
      {.to = kNow + 900 * kDay,
       .extensions = {{NID_name_constraints, "critical,permitted;DNS:example.net"}},
       .key = key});
  const Made unknown = make_intermediate("CA", elsewhere, {.to = kNow + 900 * kDay, .key = key});
  const Made namesake = make_intermediate("CA", root, {.to = kNow + 900 * kDay, .key_ids = false});
  const Made good = make_intermediate("CA", root, {.key = key});
  const Made leaf = make_leaf(good), bare = make_leaf(good, {.key_ids = false});
  for (const Made* below : {&leaf, &bare}) {
    const Verdict verdict =
        in_every_order({&root}, *below, {&expired, &constrained, &unknown, &namesake, &good});
    CHECK(verdict.state == ScanState::ok);
    REQUIRE(verdict.proven_intermediates.size() == 1);
    CHECK(verdict.proven_intermediates[0].sha256 == good.observed().sha256);
  }
  CHECK(in_every_order({&root}, leaf, {&expired, &future, &unknown, &good}).state == ScanState::ok);
  // Without the good one: the least grave of what is left, whatever the order.
  CHECK(in_every_order({&root}, leaf, {&expired, &constrained, &unknown, &namesake}).state ==
        ScanState::expired);
  CHECK(in_every_order({&root}, leaf, {&future, &constrained, &unknown}).state ==
        ScanState::not_yet_valid);
  CHECK(in_every_order({&root}, leaf, {&constrained, &unknown}).state ==
        ScanState::bad_certificate);
  CHECK(in_every_order({&root}, leaf, {&unknown, &elsewhere}).state == ScanState::untrusted_root);
}

TEST_CASE("a weakly signed sibling does not hide the good one") {
  const Made root = make_root("Root");
  const SharedKey key = curve_key();
  const Made weak =
      make_intermediate("CA", root, {.to = kNow + 900 * kDay, .digest = EVP_sha1(), .key = key});
  const Made good = make_intermediate("CA", root, {.key = key}), leaf = make_leaf(good);
  CHECK(in_every_order({&root}, leaf, {&weak, &good}).state == ScanState::ok);
  CHECK(in_every_order({&root}, leaf, {&weak}).state == ScanState::weak_signature);
}

// The old root vouches for the new one by two cross-signatures, one of them run out; the new root
// is sent as well, as many servers do.
TEST_CASE("cross-signed roots, in every order, whichever root is known") {
  const SharedKey key = curve_key();
  const Made old_root = make_root("Old root"), new_root = make_root("New root", {.key = key});
  const Made cross = make_intermediate("New root", old_root, {.key = key});
  const Made run_out = make_intermediate("New root", old_root, {.to = kNow - 1, .key = key});
  const Made ca = make_intermediate("CA", new_root), leaf = make_leaf(ca);
  const std::vector<const Made*> sent = {&ca, &cross, &run_out, &new_root, &old_root};
  const Made elsewhere = make_root("Elsewhere");
  CHECK(in_every_order({&old_root}, leaf, sent).state == ScanState::ok);
  CHECK(in_every_order({&new_root}, leaf, sent).state == ScanState::ok);
  CHECK(in_every_order({&old_root, &new_root}, leaf, sent).state == ScanState::ok);
  CHECK(in_every_order({&elsewhere}, leaf, sent).state == ScanState::untrusted_root);
  CHECK(in_every_order({&old_root}, leaf, {&ca, &run_out, &new_root}).state == ScanState::expired);
}

// A root that stays in the store past its end, and two that signed each other.
TEST_CASE("roots that certify each other do not lead in a circle") {
  const Made one = make_root("One"), two = make_root("Two");
  const Made one_by_two = make({.subject = "One", .ca = true, .key = one.key}, &two);
  const Made two_by_one = make({.subject = "Two", .ca = true, .key = two.key}, &one);
  const Made ca = make_intermediate("CA", one), leaf = make_leaf(ca), elsewhere = make_root("X");
  const std::vector<const Made*> sent = {&ca, &one_by_two, &two_by_one, &one, &two};
  CHECK(in_every_order({&one}, leaf, sent).state == ScanState::ok);
  CHECK(in_every_order({&two}, leaf, sent).state == ScanState::ok);
  CHECK(in_every_order({&elsewhere}, leaf, sent).state == ScanState::untrusted_root);
}

// RFC 5280 4.2.1.1 asks for key identifiers where the two names are the same.
TEST_CASE("a key rolled over twice under one name, in every order") {
  const Made root = make_root("Root"), next = make_root("Root"), last = make_root("Root");
  const Made bridge = make({.subject = "Root", .ca = true, .key = next.key}, &root);
  const Made second = make({.subject = "Root", .ca = true, .key = last.key}, &next);
  const Made ca = make_intermediate("CA", last), leaf = make_leaf(ca);
  CHECK(in_every_order({&root}, leaf, {&ca, &bridge, &second, &next, &last}).state ==
        ScanState::ok);
  CHECK(in_every_order({&next}, leaf, {&ca, &bridge, &second, &root}).state == ScanState::ok);
}

TEST_CASE("a chain without authorityInfoAccess that lacks its intermediate stays incomplete") {
  const Made root = make_root("Root"), ca = make_intermediate("CA", root);
  const std::string url = "caIssuers;URI:http://127.0.0.1:9/ca.der";
  const Made silent = make_leaf(ca);
  const Made telling = make_leaf(ca, {.extensions = {{NID_info_access, url}}});
  CHECK(judge({&root}, {&silent}).state == ScanState::incomplete_chain);
  // Nothing is ever fetched from where a certificate points.
  CHECK(judge({&root}, {&telling}).state == ScanState::incomplete_chain);
}

TEST_CASE("what is missing from a chain is named") {
  const Made root = make_root("Root"), outer = make_intermediate("Outer CA", root);
  const Made inner = make_intermediate("Inner CA", outer), leaf = make_leaf(inner);
  const auto says = [](const Verdict& verdict, std::string_view text) {
    INFO(verdict.detail);
    return verdict.detail.find(text) != std::string::npos;
  };
  CHECK(says(judge({&root}, {&leaf}), "the issuer \"Inner CA\" of "));
  CHECK(says(judge({&root}, {&leaf, &inner}),
             "the issuer \"Outer CA\" of intermediate \"Inner CA\""));

  const auto pool = IntermediatePool::create();
  pool->add(outer.observed());
  const auto verifier = Verifier::create(store_of({&root}), pool);
  const auto sent = chain_of({&leaf, &inner});
  const Verdict completed = verifier->judge(input_of(sent));
  CHECK(completed.state == ScanState::incomplete_chain);
  CHECK(completed.completed_from_pool);
  CHECK(says(completed, "the intermediate \"Outer CA\" was not sent"));
}

}  // namespace
}  // namespace certline::pki
