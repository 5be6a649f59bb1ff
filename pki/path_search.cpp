// Walks from the leaf to the roots. At each certificate it tries the issuers that fit: roots first,
// then matching key identifiers, then the longest validity. It goes depth first and backtracks, so
// an expired or constrained sibling cannot hide a good path. Mutual cross-signatures make
// exponentially many paths; the budgets end such a walk. Next: path_checks.cpp.

#include "pki/path_search.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <limits>
#include <map>
#include <tuple>

namespace certline::pki {

namespace {

constexpr std::array kDisplayOrder = {
    ScanState::revoked,          ScanState::self_signed,     ScanState::untrusted_root,
    ScanState::incomplete_chain, ScanState::bad_certificate, ScanState::wrong_host,
    ScanState::weak_key,         ScanState::weak_signature,  ScanState::not_yet_valid,
    ScanState::expired,
};

// How good a path is for showing: the gravest problem, then how many there are. Smaller is better.
std::pair<int, std::size_t> badness(const std::vector<Problem>& problems) {
  int gravest = 0;
  for (const Problem& problem : problems) {
    const int gravity = static_cast<int>(kDisplayOrder.size()) - display_rank(problem.state);
    gravest = std::max(gravest, gravity);
  }
  return {gravest, problems.size()};
}

class Search {
 public:
  Search(const PathInput& input, const PathRules& rules)
      : input_(input), rules_(rules), start_(thread_time()), end_(start_ + rules.deadline) {}

  PathResult run() {
    path_.push_back(input_.leaf);
    if (const Anchor* anchor = input_.trust.find(input_.leaf->sha256)) try_path(*anchor);
    if (!done_) extend();
    if (!best_.anchored) explain_dead_end();
    best_.tries = tries_;
    best_.steps = steps_;
    best_.spent = thread_time() - start_;
    return std::move(best_);
  }

 private:
  void extend() {
    const CertificatePtr tip = path_.back();
    for (const Anchor* anchor : ordered_anchors(*tip)) {
      if (!spend_step()) return;
      try_path(*anchor);
      if (done_) return;
    }
    // OpenSSL goes no further than a certificate that looks self-signed, either.
    if (tip->looks_self_signed || path_.size() >= rules_.most_depth) return;
    for (const CertificatePtr& issuer : candidates(*tip)) {
      if (!spend_step()) return;
      if (in_path(*issuer)) continue;
      path_.push_back(issuer);
      extend();
      path_.pop_back();
      if (done_) return;
    }
  }

  bool spend_step() {
    if (++steps_ <= rules_.most_steps && tries_ < rules_.most_tries) return true;
    best_.out_of_budget = done_ = true;
    return false;
  }

  bool out_of_time() {
    if (thread_time() < end_) return false;
    best_.out_of_time = best_.out_of_budget = done_ = true;
    return true;
  }

  bool in_path(const Certificate& candidate) const {
    return std::any_of(path_.begin(), path_.end(), [&](const CertificatePtr& other) {
      return other->sha256 == candidate.sha256 || other->same_name_and_key(candidate);
    });
  }

  std::vector<const Anchor*> ordered_anchors(const Certificate& tip) const {
    std::vector<const Anchor*> out = input_.trust.issuers_of(tip);
    std::stable_sort(out.begin(), out.end(), [&](const Anchor* a, const Anchor* b) {
      return key_id_match(tip, *a->root) < key_id_match(tip, *b->root);
    });
    return out;
  }

  // Looked up once per certificate: a search comes back to it thousands of times.
  const std::vector<CertificatePtr>& candidates(const Certificate& tip) {
    const auto [at, fresh] = candidates_.try_emplace(&tip);
    if (fresh) at->second = find_candidates(tip);
    return at->second;
  }

  std::vector<CertificatePtr> find_candidates(const Certificate& tip) const {
    std::vector<CertificatePtr> out;
    for (const CertificatePtr& sent : input_.sent) {
      if (tip.names_as_issuer(*sent)) out.push_back(sent);
    }
    if (input_.pool != nullptr) {
      for (CertificatePtr& known : input_.pool->issuers_of(tip)) out.push_back(std::move(known));
    }
    const auto order = [&](const CertificatePtr& c) {
      const UtcTime until = c->not_after.value_or(std::numeric_limits<UtcTime>::min() + 1);
      return std::tuple(key_id_match(tip, *c), -until, c->sha256);
    };
    std::stable_sort(out.begin(), out.end(), [&](const CertificatePtr& a, const CertificatePtr& b) {
      return order(a) < order(b);
    });
    const auto same = [](const CertificatePtr& a, const CertificatePtr& b) {
      return a->sha256 == b->sha256;
    };
    out.erase(std::unique(out.begin(), out.end(), same), out.end());
    return out;
  }

  void try_path(const Anchor& anchor) {
    const bool first = tries_ == 0;
    if (!first && out_of_time()) return;
    ++tries_;
    const auto end = first ? std::chrono::nanoseconds::max() : end_;
    std::vector<Problem> problems = check_path(path_, anchor, input_.now, rules_, end);
    if (!first && !problems.empty() && out_of_time()) return;  // perhaps not seen to its end
    done_ = problems.empty();
    if (best_.anchored && badness(best_.problems) <= badness(problems)) return;
    best_.anchored = true;
    best_.path = path_;
    best_.anchor = &anchor;
    best_.problems = std::move(problems);
  }

  // No root was reached: follows signatures that hold through what was sent, as far as it goes.
  void explain_dead_end() {
    const Certificate& leaf = *input_.leaf;
    best_.path = {input_.leaf};
    if (leaf.looks_self_signed && leaf.signed_by(leaf)) {
      best_.problems = {{ScanState::self_signed, "the certificate is signed by its own key"}};
      return;
    }
    while (best_.path.size() < rules_.most_depth) {
      const CertificatePtr next = signer_of(*best_.path.back());
      if (!next) break;
      best_.path.push_back(next);
    }
    const Certificate& last = *best_.path.back();
    if (best_.path.size() == 1) {
      best_.problems = {{ScanState::incomplete_chain, "the issuer " + leaf.short_issuer() + " of " +
                                                          leaf.short_name() +
                                                          " was not sent and is not a root"}};
    } else if (last.looks_self_signed) {
      best_.problems = {
          {ScanState::untrusted_root, "the root " + last.short_name() + " is not trusted"}};
    } else {
      best_.problems = {{ScanState::untrusted_root, "the issuer " + last.short_issuer() +
                                                        " of intermediate " + last.short_name() +
                                                        " is neither sent nor trusted"}};
    }
  }

  CertificatePtr signer_of(const Certificate& child) {
    if (child.looks_self_signed) return nullptr;
    for (const CertificatePtr& candidate : candidates(child)) {
      if (++signatures_ > rules_.most_tries || (signatures_ > 1 && out_of_time())) return nullptr;
      const bool known = std::any_of(
          best_.path.begin(), best_.path.end(),
          [&](const CertificatePtr& other) { return other->sha256 == candidate->sha256; });
      if (!known && child.signed_by(*candidate)) return candidate;
    }
    return nullptr;
  }

  const PathInput& input_;
  const PathRules& rules_;
  const std::chrono::nanoseconds start_, end_;
  std::vector<CertificatePtr> path_;
  std::map<const Certificate*, std::vector<CertificatePtr>> candidates_;
  PathResult best_;
  int tries_ = 0, steps_ = 0, signatures_ = 0;
  bool done_ = false;
};

}  // namespace

std::chrono::nanoseconds thread_time() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

int display_rank(ScanState state) {
  const auto at = std::find(kDisplayOrder.begin(), kDisplayOrder.end(), state);
  return static_cast<int>(at - kDisplayOrder.begin());
}

PathResult find_path(const PathInput& input, const PathRules& rules) {
  return Search(input, rules).run();
}

}  // namespace certline::pki
