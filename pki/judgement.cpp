// Collects every problem of a chain and shows the one that browsers show first. It tries the sent
// certificates alone before it asks the pool, because a chain that needs the pool works in some
// browsers only. "ok" is not a default: it means that all checks ran and found nothing. Next:
// path_search.cpp, then host_match.cpp and stapled_ocsp.cpp.

#include "pki/judgement.hpp"

#include <algorithm>
#include <limits>

#include "pki/asn1_values.hpp"
#include "pki/host_match.hpp"
#include "pki/stapled_ocsp.hpp"

namespace certline::pki {

namespace {

constexpr std::size_t kDetailBytes = 200;
constexpr UtcTime kDaySeconds = 86'400;

struct ChosenPath {
  PathResult result;
  CertificatePtr from_pool;  // the first that was not sent; null where all were
};

ChosenPath choose_path(const JudgementInput& in) {
  PathInput search{in.leaf, in.sent, in.trust, nullptr, in.input.now};
  PathResult sent_only = find_path(search);
  const bool good = sent_only.anchored && sent_only.problems.empty();
  if (good || in.pool == nullptr || in.pool->size() == 0) return {std::move(sent_only), nullptr};
  search.pool = in.pool;
  PathRules rest;  // both searches share one deadline
  const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(sent_only.spent);
  rest.deadline = std::max(rest.deadline - spent, std::chrono::milliseconds(0));
  PathResult completed = find_path(search, rest);
  completed.out_of_time = completed.out_of_time || sent_only.out_of_time;
  const bool better = completed.anchored && (!sent_only.anchored || completed.problems.empty());
  if (!better) {
    sent_only.out_of_time = completed.out_of_time;
    return {std::move(sent_only), nullptr};
  }
  const auto unsent =
      std::find_if(completed.path.begin() + 1, completed.path.end(), [&](const auto& used) {
        return std::none_of(in.sent.begin(), in.sent.end(),
                            [&](const auto& sent) { return sent->sha256 == used->sha256; });
      });
  CertificatePtr from_pool = unsent == completed.path.end() ? nullptr : *unsent;
  return {std::move(completed), std::move(from_pool)};
}

void check_name(const JudgementInput& in, std::vector<Problem>& problems) {
  const ChainInput& input = in.input;
  const bool covered =
      input.ip ? covers_address(*in.leaf, *input.ip) : covers_host(*in.leaf, input.host);
  if (covered) return;
  if (!has_alternative_names(*in.leaf)) {
    problems.push_back({ScanState::wrong_host, "the certificate has no subjectAltName"});
    return;
  }
  const std::string wanted = input.ip ? input.ip->to_string() : input.host;
  problems.push_back({ScanState::wrong_host, "the certificate does not cover " + quoted(wanted)});
}

// Adds a problem or a note; gives the moment until which that holds.
UtcTime check_staple(const JudgementInput& in, const PathResult& path,
                     std::vector<Problem>& problems, std::vector<std::string>& notes) {
  constexpr UtcTime kAlways = std::numeric_limits<UtcTime>::max();
  if (in.input.stapled_ocsp.empty()) return kAlways;
  const Certificate* issuer = nullptr;
  if (path.path.size() > 1) {
    issuer = path.path[1].get();
  } else if (path.anchor != nullptr && path.anchor->root->sha256 != in.leaf->sha256) {
    issuer = path.anchor->root.get();
  }
  if (issuer == nullptr) {
    notes.push_back("stapled OCSP response ignored: its issuer is not known");
    return kAlways;
  }
  const Staple staple = read_staple(in.input.stapled_ocsp, *in.leaf, *issuer, in.input.now);
  if (staple.status == StapleStatus::revoked) {
    problems.push_back({ScanState::revoked, "the stapled OCSP response says revoked"});
  } else if (staple.status == StapleStatus::unknown) {
    notes.push_back("the stapled OCSP response says unknown");
  } else if (staple.status == StapleStatus::invalid) {
    notes.push_back("stapled OCSP response ignored: it " + staple.reason);
  }
  return staple.same_until;
}

// The next moment at which a date of one of these begins or ends; at most the end of the day.
UtcTime next_boundary(UtcTime now, std::span<const CertificatePtr> certificates, UtcTime until) {
  until = std::min(until, (now / kDaySeconds + 1) * kDaySeconds);
  for (const CertificatePtr& certificate : certificates) {
    for (const UtcTime at :
         {certificate->not_before.value_or(0), certificate->not_after.value_or(0) + 1}) {
      if (at > now) until = std::min(until, at);
    }
  }
  return until;
}

std::string joined(const std::vector<Problem>& problems, const std::vector<std::string>& notes) {
  std::string text;
  const auto add = [&](const std::string& piece) {
    if (!text.empty()) text += "; ";
    text += piece;
  };
  for (const Problem& problem : problems) add(problem.text);
  for (const std::string& note : notes) add(note);
  return printable(text, kDetailBytes);
}

Judgement unparsable(const JudgementInput& in) {
  Judgement out;
  out.verdict.state = ScanState::bad_certificate;
  out.verdict.detail = "the certificate cannot be parsed";
  out.same_until = (in.input.now / kDaySeconds + 1) * kDaySeconds;
  out.repeatable = true;
  return out;
}

}  // namespace

Judgement judge_chain(const JudgementInput& in) {
  if (!in.leaf) return unparsable(in);
  const ChosenPath chosen = choose_path(in);
  const PathResult& path = chosen.result;
  std::vector<Problem> problems = path.problems;
  std::vector<std::string> notes;
  if (!path.anchored) {
    // No root to verify against: what the leaf itself shows is reported all the same.
    std::vector<Problem> own = check_alone(*in.leaf, in.input.now);
    problems.insert(problems.end(), own.begin(), own.end());
  }
  check_name(in, problems);
  if (chosen.from_pool) {
    problems.push_back(
        {ScanState::incomplete_chain, "the intermediate " + chosen.from_pool->short_name() +
                                          " was not sent; it was seen elsewhere before"});
  }
  if (path.out_of_budget && !path.problems.empty()) {
    notes.push_back("the path search stopped at its limit");
  }
  if (in.unreadable > 0) {
    notes.push_back(std::to_string(in.unreadable) + " sent certificates cannot be parsed");
  }
  const UtcTime staple_until = check_staple(in, path, problems, notes);
  std::stable_sort(problems.begin(), problems.end(), [](const Problem& a, const Problem& b) {
    return display_rank(a.state) < display_rank(b.state);
  });

  Judgement out;
  Verdict& verdict = out.verdict;
  if (problems.empty() && path.anchored) {
    verdict.state = ScanState::ok;
    verdict.trusted = true;
  } else if (!problems.empty()) {
    verdict.state = problems.front().state;
  }
  verdict.detail = joined(problems, notes);
  verdict.not_before = in.leaf->not_before.value_or(0);
  verdict.not_after = in.leaf->not_after.value_or(0);
  verdict.completed_from_pool = chosen.from_pool != nullptr;
  if (path.anchored && path.problems.empty()) {
    for (const CertificatePtr& certificate : std::span(path.path).subspan(1)) {
      out.proven.push_back(certificate->sha256);
    }
  }
  out.same_until = next_boundary(in.input.now, in.sent, staple_until);
  out.same_until = next_boundary(in.input.now, path.path, out.same_until);
  out.same_until = next_boundary(in.input.now, {&in.leaf, 1}, out.same_until);
  out.repeatable = !path.out_of_time;
  return out;
}

}  // namespace certline::pki
