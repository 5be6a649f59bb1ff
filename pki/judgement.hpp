#pragma once
// One full verdict, not cached: path search, names, stapled response, and the words for the result.

#include <span>
#include <vector>

#include "pki/certificate.hpp"
#include "pki/path_search.hpp"
#include "pki/verdict.hpp"

namespace certline::pki {

inline constexpr std::size_t kJudgedCertificates =
    32;  // of one chain; those behind are not looked at

struct Judgement {
  Verdict verdict;             // without proven_intermediates
  std::vector<Sha256> proven;  // intermediates of an accepted path
  UtcTime same_until = 0;      // the same input gives the same result before this moment
  bool repeatable = false;     // false: a deadline cut the search short
};

// `leaf` may be null: unparsable. `sent` holds the parsable others, `unreadable` counts the rest.
struct JudgementInput {
  CertificatePtr leaf;
  std::span<const CertificatePtr> sent;
  std::size_t unreadable = 0;
  const ChainInput& input;
  const TrustStore& trust;
  const IntermediatePool* pool = nullptr;
};

Judgement judge_chain(const JudgementInput& input);

}  // namespace certline::pki
