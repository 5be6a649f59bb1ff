// Loads a PEM bundle and indexes its roots by name, once. A verdict looks up the few roots it needs
// and never walks the bundle. OpenSSL wants a signature on an anchor although verification never
// looks at it. So each root becomes a certificate of its name and key only, signed with a
// throw-away key.

#include <openssl/pem.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <unordered_map>

#include "pki/bounded_cache.hpp"
#include "pki/digest.hpp"
#include "pki/path_search.hpp"
#include "pki/verdict.hpp"

namespace certline::pki {

namespace {

constexpr std::size_t kBundleBytes = 64 * 1024 * 1024;
constexpr std::size_t kBundleBlocks = 100'000;

// Null where the root's key cannot be read: such a root can vouch for nothing.
CertificateHandle name_and_key_of(const X509* root, EVP_PKEY* throw_away) {
  CertificateHandle out(X509_new());
  const BasicConstraintsHandle constraints(BASIC_CONSTRAINTS_new());
  EVP_PKEY* key = X509_get0_pubkey(root);
  if (!out || !constraints || key == nullptr) return nullptr;
  constraints->ca = 0xff;
  X509* const x = out.get();
  const bool made = X509_set_version(x, X509_VERSION_3) == 1 &&
                    ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1 &&
                    X509_set_issuer_name(x, X509_get_subject_name(root)) == 1 &&
                    X509_set_subject_name(x, X509_get_subject_name(root)) == 1 &&
                    X509_set1_notBefore(x, X509_get0_notBefore(root)) == 1 &&
                    X509_set1_notAfter(x, X509_get0_notAfter(root)) == 1 &&
                    X509_set_pubkey(x, key) == 1 &&
                    X509_add1_ext_i2d(x, NID_basic_constraints, constraints.get(), 1, 0) == 1 &&
                    X509_sign(x, throw_away, EVP_sha256()) > 0 && X509_check_purpose(x, -1, 0) == 1;
  return made ? std::move(out) : nullptr;
}

class IndexedTrustStore : public TrustStore {
 public:
  explicit IndexedTrustStore(std::vector<Anchor> anchors) : anchors_(std::move(anchors)) {
    const auto by_digest = [](const Anchor& a, const Anchor& b) {
      return a.root->sha256 < b.root->sha256;
    };
    std::sort(anchors_.begin(), anchors_.end(), by_digest);
    std::vector<std::uint8_t> all;
    for (const Anchor& anchor : anchors_) {
      const Sha256& digest = anchor.root->sha256;
      all.insert(all.end(), digest.begin(), digest.end());
      by_name_.emplace(anchor.root->subject_hash, &anchor);
      by_digest_.emplace(digest, &anchor);
    }
    version_ = sha256(all);
  }

  std::size_t size() const override { return anchors_.size(); }
  const Sha256& version() const override { return version_; }

  std::vector<const Anchor*> issuers_of(const Certificate& child) const override {
    std::vector<const Anchor*> out;
    const auto [first, last] = by_name_.equal_range(child.issuer_hash);
    for (auto at = first; at != last; ++at) {
      if (child.names_as_issuer(*at->second->root)) out.push_back(at->second);
    }
    return out;
  }

  const Anchor* find(const Sha256& digest) const override {
    const auto at = by_digest_.find(digest);
    return at == by_digest_.end() ? nullptr : at->second;
  }

 private:
  std::vector<Anchor> anchors_;
  std::unordered_multimap<unsigned long, const Anchor*> by_name_;
  std::unordered_map<Sha256, const Anchor*, DigestHash> by_digest_;
  Sha256 version_{};
};

// The certificates in a PEM text, each once; blocks that are something else are passed over.
std::vector<CertificatePtr> certificates_in(std::string_view pem) {
  std::vector<CertificatePtr> out;
  std::unordered_map<Sha256, bool, DigestHash> seen;
  const BioHandle bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  for (std::size_t block = 0; bio && block < kBundleBlocks && BIO_pending(bio.get()) > 0; ++block) {
    char *name = nullptr, *header = nullptr;
    unsigned char* data = nullptr;
    long size = 0;
    if (PEM_read_bio(bio.get(), &name, &header, &data, &size) == 1) {
      const bool wanted = std::string_view(name) == PEM_STRING_X509 ||
                          std::string_view(name) == PEM_STRING_X509_OLD;
      CertificatePtr certificate =
          wanted ? Certificate::parse({data, static_cast<std::size_t>(size)}) : nullptr;
      if (certificate && seen.emplace(certificate->sha256, true).second) {
        out.push_back(std::move(certificate));
      }
      OPENSSL_free(name);
      OPENSSL_free(header);
      OPENSSL_free(data);
    }
    drain_openssl_errors();
  }
  return out;
}

Error unavailable(std::string detail) {
  return Error{ErrorKind::unavailable, std::move(detail)};
}

}  // namespace

Result<std::shared_ptr<const TrustStore>> TrustStore::load(const std::string& pem_file) {
  std::ifstream file(pem_file, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  const std::string pem = std::move(text).str();
  if (!file || file.bad() || pem.empty()) {
    return unavailable("nothing can be read from the trust file " + quoted(pem_file) +
                       ": set scanner.trust_file to a readable PEM file");
  }
  if (pem.size() > kBundleBytes) {
    return unavailable("the trust file " + quoted(pem_file) + " is larger than 64 MiB");
  }
  const KeyHandle throw_away(EVP_EC_gen("P-256"));
  if (!throw_away) return unavailable("no key could be made: " + drain_openssl_errors());
  std::vector<Anchor> anchors;
  for (CertificatePtr& root : certificates_in(pem)) {
    if (root->names_half_an_issuer()) continue;  // unreadable to browsers
    CertificateHandle name_and_key = name_and_key_of(root->x509.get(), throw_away.get());
    if (name_and_key) anchors.push_back({std::move(root), std::move(name_and_key)});
  }
  drain_openssl_errors();
  if (anchors.empty()) {
    return unavailable("the trust file " + quoted(pem_file) + " holds no usable certificate");
  }
  return std::shared_ptr<const TrustStore>(std::make_shared<IndexedTrustStore>(std::move(anchors)));
}

const char* TrustStore::system_file() {
  return "/etc/ssl/certs/ca-certificates.crt";
}

}  // namespace certline::pki
