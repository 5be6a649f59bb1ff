// Verifies one path. OpenSSL checks signatures, CA flags, path lengths and name constraints on
// exactly this path; it may not pick another issuer. The rest is where browsers differ: dates (the
// last second is valid, a root's do not matter), key usages (any extended usage is fine,
// server-gated crypto is not), serials, wildcards, key types. Next: judgement.cpp collects the
// results.

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "pki/asn1_values.hpp"
#include "pki/path_search.hpp"
#include "protocol/utc_text.hpp"

namespace certline::pki {

namespace {

constexpr int kMostProblems = 16;

// What OpenSSL is told, and what it says, while it walks one path.
struct Walk {
  std::span<const CertificatePtr> path;
  X509* anchor = nullptr;
  std::chrono::nanoseconds end;             // of thread_time()
  std::vector<std::pair<int, int>> errors;  // code, depth
};

Walk& walk_of(X509_STORE_CTX* context) {
  return *static_cast<Walk*>(X509_STORE_CTX_get_app_data(context));
}

// The issuer is the next certificate of the path, and no other.
int is_next_in_path(X509_STORE_CTX* context, X509* child, X509* issuer) {
  const Walk& walk = walk_of(context);
  for (std::size_t i = 0; i < walk.path.size(); ++i) {
    if (walk.path[i]->x509.get() != child) continue;
    return issuer == (i + 1 < walk.path.size() ? walk.path[i + 1]->x509.get() : walk.anchor);
  }
  return 0;
}

// Browsers know the key identifiers well enough to accept them where they are marked critical.
bool all_critical_known(const X509* certificate) {
  for (int i = 0; i < X509_get_ext_count(certificate); ++i) {
    X509_EXTENSION* extension = X509_get_ext(certificate, i);
    if (!X509_EXTENSION_get_critical(extension) || X509_supported_extension(extension)) continue;
    const int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
    if (nid != NID_authority_key_identifier && nid != NID_subject_key_identifier) return false;
  }
  return true;
}

bool walk_goes_on_after(int error) {
  constexpr std::array kHarmless = {
      X509_V_ERR_EE_KEY_TOO_SMALL,    X509_V_ERR_CA_KEY_TOO_SMALL,
      X509_V_ERR_CA_MD_TOO_WEAK,      X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION,
      X509_V_ERR_INVALID_CA,          X509_V_ERR_PATH_LENGTH_EXCEEDED,
      X509_V_ERR_PERMITTED_VIOLATION, X509_V_ERR_EXCLUDED_VIOLATION,
  };
  return std::find(kHarmless.begin(), kHarmless.end(), error) != kHarmless.end();
}

int on_step(int ok, X509_STORE_CTX* context) {
  Walk& walk = walk_of(context);
  const bool endless = walk.end == std::chrono::nanoseconds::max();
  if (ok == 1) return endless || thread_time() < walk.end;
  const int error = X509_STORE_CTX_get_error(context);
  const X509* current = X509_STORE_CTX_get_current_cert(context);
  if (error == X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION && current != nullptr &&
      all_critical_known(current)) {
    X509_STORE_CTX_set_error(context, X509_V_OK);
    return 1;
  }
  walk.errors.emplace_back(error, X509_STORE_CTX_get_error_depth(context));
  return walk_goes_on_after(error) && walk.errors.size() < kMostProblems;
}

// Holds no certificate: it only carries the issuer rule to every verification.
X509_STORE* rule_store() {
  static const StoreHandle store = [] {
    StoreHandle out(X509_STORE_new());
    if (out) X509_STORE_set_check_issued(out.get(), is_next_in_path);
    return out;
  }();
  return store.get();
}

// Empty only where OpenSSL accepted the path.
std::vector<std::pair<int, int>> openssl_errors(std::span<const CertificatePtr> path,
                                                const Anchor& anchor, int auth_level,
                                                std::chrono::nanoseconds end) {
  const StoreContextHandle context(X509_STORE_CTX_new());
  const BorrowedStackHandle between(sk_X509_new_null()), roots(sk_X509_new_null());
  X509* const leaf = path.front()->x509.get();
  const bool leaf_is_root = path.size() == 1 && path.front()->sha256 == anchor.root->sha256;
  Walk walk{path, leaf_is_root ? leaf : anchor.name_and_key.get(), end, {}};
  const std::vector<std::pair<int, int>> failed = {{X509_V_ERR_OUT_OF_MEM, 0}};
  if (!context || !between || !roots || rule_store() == nullptr) return failed;
  for (const CertificatePtr& certificate : path.subspan(1)) {
    if (sk_X509_push(between.get(), certificate->x509.get()) == 0) return failed;
  }
  if (sk_X509_push(roots.get(), walk.anchor) == 0 ||
      X509_STORE_CTX_init(context.get(), rule_store(), leaf, between.get()) != 1) {
    return failed;
  }
  X509_STORE_CTX_set0_trusted_stack(context.get(), roots.get());
  X509_STORE_CTX_set_app_data(context.get(), &walk);
  X509_STORE_CTX_set_verify_cb(context.get(), on_step);
  X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
  X509_VERIFY_PARAM_set_auth_level(rules, auth_level);
  X509_VERIFY_PARAM_set_depth(rules, static_cast<int>(path.size()) + 1);
  // Also without a host name: or else name constraints are applied to the common name.
  X509_VERIFY_PARAM_set_hostflags(
      rules, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  const bool accepted = X509_verify_cert(context.get()) == 1;
  if (!accepted && walk.errors.empty()) {
    const int error = X509_STORE_CTX_get_error(context.get());
    walk.errors.emplace_back(error != X509_V_OK ? error : X509_V_ERR_UNSPECIFIED, 0);
  }
  drain_openssl_errors();
  return std::move(walk.errors);
}

ScanState state_of(int error) {
  switch (error) {
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
      return ScanState::weak_key;
    case X509_V_ERR_CA_MD_TOO_WEAK:
      return ScanState::weak_signature;
    default:
      return ScanState::bad_certificate;
  }
}

bool is_taken_by_browsers(const PublicKey& key) {
  constexpr std::array<std::string_view, 4> kTypes = {"RSA", "P-256", "P-384", "P-521"};
  return !key.explicit_curve && std::find(kTypes.begin(), kTypes.end(), key.type) != kTypes.end();
}

// The checks of one certificate below the root. Each adds what it finds.
class Examination {
 public:
  Examination(const Certificate& certificate, bool leaf, std::vector<Problem>& problems)
      : certificate_(certificate),
        x_(certificate.x509.get()),
        who_((leaf ? "certificate " : "intermediate ") + certificate.short_name()),
        leaf_(leaf),
        problems_(problems) {}

  void dates(UtcTime now) {
    if (!certificate_.not_before || !certificate_.not_after) {
      add(ScanState::bad_certificate, "has unreadable dates");
      return;
    }
    if (now < *certificate_.not_before) {
      add(ScanState::not_yet_valid, "is valid from " + iso_utc_text(*certificate_.not_before));
    }
    if (now > *certificate_.not_after) {
      add(ScanState::expired, "expired at " + iso_utc_text(*certificate_.not_after));
    }
  }

  void form() {
    if ((X509_get_extension_flags(x_) & EXFLAG_INVALID) != 0) {
      add(ScanState::bad_certificate, "has a malformed extension");
    }
    if (certificate_.repeats_extension) add(ScanState::bad_certificate, "repeats an extension");
    if (certificate_.names_half_an_issuer()) {
      add(ScanState::bad_certificate, "has a malformed authorityKeyIdentifier");
    }
    const ASN1_INTEGER* serial = X509_get0_serialNumber(x_);
    if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER) {
      add(ScanState::bad_certificate, "has a negative serial number");
    }
    int critical = 0;
    const AccessHandle access(static_cast<AUTHORITY_INFO_ACCESS*>(
        X509_get_ext_d2i(x_, NID_info_access, &critical, nullptr)));
    if (!access && critical != -1) {
      add(ScanState::bad_certificate, "has a malformed authorityInfoAccess");
    }
    drain_openssl_errors();
    if (!leaf_ && ((X509_get_extension_flags(x_) & EXFLAG_CA) == 0 ||
                   (X509_get_extension_flags(x_) & EXFLAG_BCONS) == 0)) {
      add(ScanState::bad_certificate, "is not a CA");
    }
  }

  void usage() {
    const bool extended = (X509_get_extension_flags(x_) & EXFLAG_XKUSAGE) != 0;
    if (extended && (X509_get_extended_key_usage(x_) & (XKU_SSL_SERVER | XKU_ANYEKU)) == 0) {
      add(ScanState::bad_certificate, "is not for servers (extendedKeyUsage)");
    }
    const bool is_ca = (X509_get_extension_flags(x_) & EXFLAG_CA) != 0;
    const bool limited = (X509_get_extension_flags(x_) & EXFLAG_KUSAGE) != 0;
    constexpr std::uint32_t kForTls =
        X509v3_KU_DIGITAL_SIGNATURE | X509v3_KU_KEY_ENCIPHERMENT | X509v3_KU_KEY_AGREEMENT;
    if (leaf_ && !is_ca && limited && (X509_get_key_usage(x_) & kForTls) == 0) {
      add(ScanState::bad_certificate, "is not for servers (keyUsage)");
    }
  }

  void strength() {
    constexpr std::array kWeakDigests = {NID_md2, NID_md4, NID_md5, NID_mdc2, NID_sha1};
    if (std::find(kWeakDigests.begin(), kWeakDigests.end(), certificate_.digest_nid) !=
        kWeakDigests.end()) {
      add(ScanState::weak_signature,
          std::string("is signed with ") + OBJ_nid2sn(certificate_.digest_nid));
    }
    if (!certificate_.key) {
      add(ScanState::bad_certificate, "has an unreadable key");
      return;
    }
    const PublicKey& key = *certificate_.key;
    const bool rsa = key.type == "RSA";
    const bool elliptic = EVP_PKEY_get_base_id(X509_get0_pubkey(x_)) == EVP_PKEY_EC;
    if ((rsa && key.bits < 2048) || (elliptic && key.bits < 224)) {
      add(ScanState::weak_key,
          "has a " + printable(key.type, 32) + " key of " + std::to_string(key.bits) + " bits");
    } else if (key.odd_exponent) {
      add(ScanState::bad_certificate, "has an RSA key with an exponent that browsers refuse");
    } else if (!is_taken_by_browsers(key)) {
      add(ScanState::bad_certificate,
          "has a " + printable(key.type, 32) +
              (key.explicit_curve ? " key with explicit parameters" : " key") +
              ", which browsers refuse");
    }
  }

 private:
  using AccessHandle =
      std::unique_ptr<AUTHORITY_INFO_ACCESS, OpensslDeleter<AUTHORITY_INFO_ACCESS_free>>;

  void add(ScanState state, const std::string& what) {
    problems_.push_back({state, who_ + " " + what});
  }

  const Certificate& certificate_;
  X509* const x_;
  const std::string who_;
  const bool leaf_;
  std::vector<Problem>& problems_;
};

std::string_view dns_name(const GENERAL_NAME* name) {
  if (name == nullptr || name->type != GEN_DNS) return {};
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
          static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName))};
}

bool is_empty(const STACK_OF(GENERAL_SUBTREE) * subtrees) {
  return sk_GENERAL_SUBTREE_num(subtrees) <= 0;
}

// What comparing a name takes: a fixed part, and its bytes.
std::size_t comparison_cost(const GENERAL_NAME* name) {
  constexpr std::size_t kFixed = 32;
  std::size_t bytes = 0;
  if (name->type == GEN_DNS || name->type == GEN_EMAIL || name->type == GEN_URI) {
    bytes = static_cast<std::size_t>(ASN1_STRING_length(name->d.ia5));
  } else if (name->type == GEN_DIRNAME) {
    X509_NAME_get0_der(name->d.directoryName, nullptr, &bytes);
  }
  return kFixed + bytes;
}

// How many there are, and what one comparison with each of them takes at most.
struct Extent {
  std::size_t count = 0, cost = 0;
};

Extent extent_of_constraints(const Certificate& certificate) {
  Extent out;
  const NAME_CONSTRAINTS* constraints = certificate.constraints.get();
  if (constraints == nullptr) return out;
  for (const auto* subtrees : {constraints->permittedSubtrees, constraints->excludedSubtrees}) {
    for (int i = 0; i < sk_GENERAL_SUBTREE_num(subtrees); ++i, ++out.count) {
      out.cost += comparison_cost(sk_GENERAL_SUBTREE_value(subtrees, i)->base);
    }
  }
  return out;
}

void add_names(const Certificate& certificate, Extent& out) {
  for (int i = 0; i < sk_GENERAL_NAME_num(certificate.names.get()); ++i, ++out.count) {
    out.cost += comparison_cost(sk_GENERAL_NAME_value(certificate.names.get(), i));
  }
  const X509_NAME* subject = X509_get_subject_name(certificate.x509.get());
  std::size_t bytes = 0;
  X509_NAME_get0_der(subject, nullptr, &bytes);
  const auto parts = static_cast<std::size_t>(X509_NAME_entry_count(subject));  // e-mail is in some
  out.count += parts + 1;
  out.cost += 2 * bytes + 32 * (parts + 1);
}

// May OpenSSL be asked to apply the constraints of this path? Every name below is compared with
// every subtree: some milliseconds at this limit, minutes for what fits into a chain. Browsers have
// a limit of about this size, too.
bool comparisons_are_few(std::span<const CertificatePtr> path) {
  constexpr std::size_t kMostCost = 1u << 23;
  Extent names;
  std::size_t cost = 0;
  for (const CertificatePtr& certificate : path) {
    const Extent subtrees = extent_of_constraints(*certificate);
    cost += std::min(names.cost * subtrees.count, subtrees.cost * names.count);
    add_names(*certificate, names);
  }
  return cost <= kMostCost;
}

// What the wildcards among a leaf's names stand for: ".example.org" for "*.example.org".
std::set<std::string> wildcard_parents(const Certificate& leaf) {
  std::set<std::string> out;
  for (int i = 0; i < sk_GENERAL_NAME_num(leaf.names.get()); ++i) {
    const std::string_view name = dns_name(sk_GENERAL_NAME_value(leaf.names.get(), i));
    if (name.starts_with("*.")) out.insert(ascii_lower(name.substr(1)));
  }
  return out;
}

// What OpenSSL leaves unchecked of the constraints of one intermediate. A wildcard stands for names
// that an excluded subtree may hold: "*.example.org" reaches into "mail.example.org", although as a
// text it lies outside of it.
void check_constraints(const Certificate& intermediate, const std::set<std::string>& wildcards,
                       std::vector<Problem>& problems) {
  const NAME_CONSTRAINTS* constraints = intermediate.constraints.get();
  if (constraints == nullptr) return;
  if (is_empty(constraints->permittedSubtrees) && is_empty(constraints->excludedSubtrees)) {
    problems.push_back({ScanState::bad_certificate, "intermediate " + intermediate.short_name() +
                                                        " has empty name constraints"});
  }
  if (wildcards.empty()) return;
  for (int i = 0; i < sk_GENERAL_SUBTREE_num(constraints->excludedSubtrees); ++i) {
    const GENERAL_SUBTREE* subtree = sk_GENERAL_SUBTREE_value(constraints->excludedSubtrees, i);
    const std::string_view excluded = dns_name(subtree->base);
    const std::size_t dot = excluded.find('.');
    if (dot == std::string_view::npos || !wildcards.contains(ascii_lower(excluded.substr(dot)))) {
      continue;
    }
    problems.push_back({ScanState::bad_certificate, "a wildcard name reaches into a subtree that " +
                                                        intermediate.short_name() + " excludes"});
    return;
  }
}

// Signatures that could take long, by keys that no browser takes: what is wrong has been said.
bool keys_are_ordinary(std::span<const CertificatePtr> issuers) {
  return std::all_of(issuers.begin(), issuers.end(), [](const CertificatePtr& issuer) {
    return issuer->key && !issuer->key->odd_exponent && is_taken_by_browsers(*issuer->key);
  });
}

}  // namespace

std::vector<Problem> check_alone(const Certificate& leaf, UtcTime now) {
  std::vector<Problem> problems;
  Examination examination(leaf, true, problems);
  examination.form();
  examination.usage();
  examination.strength();
  examination.dates(now);
  return problems;
}

std::vector<Problem> check_path(std::span<const CertificatePtr> path, const Anchor& anchor,
                                UtcTime now, const PathRules& rules, std::chrono::nanoseconds end) {
  std::vector<Problem> problems;
  for (std::size_t i = 0; i < path.size(); ++i) {
    Examination examination(*path[i], i == 0, problems);
    examination.form();
    if (rules.for_servers) {
      examination.usage();
      examination.strength();
    }
    examination.dates(now);
  }
  const std::set<std::string> wildcards = wildcard_parents(*path.front());
  for (const CertificatePtr& intermediate : path.subspan(1)) {
    check_constraints(*intermediate, wildcards, problems);
  }
  if (!comparisons_are_few(path)) {
    problems.push_back({ScanState::bad_certificate, "too many names under name constraints"});
    return problems;
  }
  if (rules.for_servers && !keys_are_ordinary(path.subspan(1))) return problems;
  const std::size_t own = problems.size();
  for (const auto& [error, depth] : openssl_errors(path, anchor, rules.auth_level, end)) {
    const ScanState state = state_of(error);
    const bool known = state != ScanState::bad_certificate &&
                       std::any_of(problems.begin(), problems.begin() + static_cast<long>(own),
                                   [&](const Problem& p) { return p.state == state; });
    if (known) continue;
    const auto at = static_cast<std::size_t>(std::max(depth, 0));
    const std::string who = at < path.size() ? path[at]->short_name() : anchor.root->short_name();
    problems.push_back({state, who + ": " + X509_verify_cert_error_string(error)});
  }
  return problems;
}

}  // namespace certline::pki
