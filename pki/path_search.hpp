#pragma once
// Finds the path from a leaf to a root that a browser would take, and what it would object to.
// Servers send wrong, doubled and cross-signed certificates, so several paths are tried. Budgets
// limit the work, and hostile input cannot stretch them.

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "inventory/scan_state.hpp"
#include "pki/certificate.hpp"
#include "pki/verdict.hpp"

namespace certline::pki {

// A root as RFC 5280 6.1.1 (d) means it: a name and a key. Its dates, constraints and usages do not
// take part, so OpenSSL gets a certificate that holds nothing but that name and key.
struct Anchor {
  CertificatePtr root;
  CertificateHandle name_and_key;
};

struct Problem {
  ScanState state = ScanState::bad_certificate;
  std::string text;
};

// Position in the order in which browsers show problems; 0 is shown before all others.
int display_rank(ScanState state);

struct PathRules {
  bool for_servers = true;      // serverAuth, key and digest strength as browsers demand them
  int auth_level = 2;           // OpenSSL's security level: 2 is 112 bits
  std::size_t most_depth = 10;  // certificates below the root
  int most_tries = 32;          // complete paths handed to verification
  int most_steps = 2'000;       // candidate issuers looked at
  // Of this thread's own time, so that a busy machine changes no verdict. Nothing new is begun
  // after it; the first try always runs to its end, which takes up to 25 ms (RSA of 16,384 bits).
  std::chrono::milliseconds deadline{25};
};

struct PathInput {
  CertificatePtr leaf;
  std::span<const CertificatePtr> sent;  // without the leaf
  const TrustStore& trust;
  const IntermediatePool* pool = nullptr;  // null: sent certificates only
  UtcTime now = 0;
};

struct PathResult {
  bool anchored = false;             // a path to a root exists; else the others say why not
  std::vector<CertificatePtr> path;  // leaf first, without the root; the best one
  const Anchor* anchor = nullptr;    // null where not anchored
  std::vector<Problem> problems;     // of that path; empty: acceptable
  bool out_of_time = false;          // the deadline cut the search: do not remember the result
  bool out_of_budget = false;        // any of the limits cut it
  int tries = 0, steps = 0;
  std::chrono::nanoseconds spent{0};  // of this thread's time
};

// What the calling thread has run, without what it waited for a processor.
std::chrono::nanoseconds thread_time();

// Looks for an acceptable path, else gives the one with the least grave problems.
PathResult find_path(const PathInput& input, const PathRules& rules = {});

// path_checks.cpp: one linear path, leaf first, up to `anchor`. Empty: acceptable. Gives up, with a
// problem that says so, when thread_time() passes `end`.
std::vector<Problem> check_path(std::span<const CertificatePtr> path, const Anchor& anchor,
                                UtcTime now, const PathRules& rules,
                                std::chrono::nanoseconds end = std::chrono::nanoseconds::max());

// The part of it that needs no root: what is wrong with a leaf by itself.
std::vector<Problem> check_alone(const Certificate& leaf, UtcTime now);

}  // namespace certline::pki
