// The verifier that scanner threads share. It swaps the trust store atomically, parses common
// intermediates once, and remembers verdicts. A remembered verdict holds from the moment it was
// made for until the next date at which a certificate involved begins or ends. Next: judgement.cpp.

#include <algorithm>
#include <exception>

#include "pki/bounded_cache.hpp"
#include "pki/digest.hpp"
#include "pki/judgement.hpp"
#include "pki/verdict.hpp"

namespace certline::pki {

namespace {

constexpr std::size_t kRememberedVerdicts = 65'536;
constexpr std::size_t kRememberedIntermediates = 1'024;
constexpr std::size_t kRememberedIntermediateBytes = 8 * 1024;
constexpr UtcTime kDaySeconds = 86'400;

struct Remembered {
  Verdict verdict;                   // without proven_intermediates: the caller brings them again
  std::vector<std::uint8_t> proven;  // their positions in the chain
  UtcTime from = 0, until = 0;
};

class KeyText {
 public:
  void add(std::span<const std::uint8_t> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  void add(std::uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) {
      bytes_.push_back(static_cast<std::uint8_t>(number >> shift));
    }
  }
  Sha256 digest() const { return sha256(bytes_); }

 private:
  std::vector<std::uint8_t> bytes_;
};

class CachingVerifier : public Verifier {
 public:
  CachingVerifier(std::shared_ptr<const TrustStore> trust, std::shared_ptr<IntermediatePool> pool)
      : trust_(std::move(trust)),
        pool_(std::move(pool)),
        verdicts_(kRememberedVerdicts),
        intermediates_(kRememberedIntermediates) {}

  void set_trust(std::shared_ptr<const TrustStore> trust) override {
    const std::lock_guard lock(mutex_);
    trust_ = std::move(trust);
  }

  Verdict judge(const ChainInput& input) override {
    try {
      return judge_or_throw(input);
    } catch (const std::exception&) {
      Verdict failed;  // never trusted
      failed.detail = "the certificate could not be judged: out of memory";
      return failed;
    }
  }

 private:
  Verdict judge_or_throw(const ChainInput& whole) {
    const std::shared_ptr<const TrustStore> trust = current_trust();
    Verdict none;
    if (whole.chain.empty()) none.detail = "no certificate was sent";
    if (!trust) none.detail = "no trust store is loaded";
    if (!none.detail.empty()) return none;
    ChainInput input = whole;
    input.chain = whole.chain.first(std::min(whole.chain.size(), kJudgedCertificates));
    std::vector<Sha256> digests;
    for (const ObservedCertificate& certificate : input.chain) {
      digests.push_back(sha256(certificate.der));
    }
    const Sha256 key = key_of(input, digests, *trust);
    if (std::optional<Remembered> known = verdicts_.find(key)) {
      if (known->from <= input.now && input.now < known->until) return restore(*known, input);
    }
    const Judgement judgement = judge_uncached(input, digests, *trust);
    const Remembered fresh = remembered(judgement, digests, input.now);
    if (judgement.repeatable) verdicts_.put(key, fresh);
    return restore(fresh, input);
  }

  std::shared_ptr<const TrustStore> current_trust() const {
    const std::lock_guard lock(mutex_);
    return trust_;
  }

  Sha256 key_of(const ChainInput& input, const std::vector<Sha256>& digests,
                const TrustStore& trust) const {
    KeyText text;
    text.add(digests.size());
    for (const Sha256& digest : digests) text.add(digest);
    text.add(sha256(input.host));
    text.add(input.ip ? 1 : 0);
    if (input.ip) text.add(input.ip->bytes);
    text.add(sha256(input.stapled_ocsp));
    text.add(trust.version());
    text.add(pool_ ? pool_->size() : 0);
    text.add(static_cast<std::uint64_t>(input.now / kDaySeconds));
    return text.digest();
  }

  Judgement judge_uncached(const ChainInput& input, const std::vector<Sha256>& digests,
                           const TrustStore& trust) {
    const CertificatePtr leaf = leaf_of(input, digests.front());
    std::vector<CertificatePtr> sent;
    std::size_t unreadable = 0;
    for (std::size_t i = 1; i < input.chain.size(); ++i) {
      CertificatePtr certificate = intermediate(input.chain[i].der, digests[i]);
      if (certificate) {
        sent.push_back(std::move(certificate));
      } else {
        ++unreadable;
      }
    }
    return judge_chain({leaf, sent, unreadable, input, trust, pool_.get()});
  }

  static CertificatePtr leaf_of(const ChainInput& input, const Sha256& digest) {
    if (input.parsed_leaf == nullptr || X509_up_ref(input.parsed_leaf) != 1) {
      return Certificate::parse(input.chain.front().der, digest);
    }
    return Certificate::from(CertificateHandle(input.parsed_leaf), digest);
  }

  CertificatePtr intermediate(const Bytes& der, const Sha256& digest) {
    if (const std::optional<CertificatePtr> known = intermediates_.find(digest)) return *known;
    CertificatePtr parsed = Certificate::parse(der, digest);
    if (parsed && der.size() <= kRememberedIntermediateBytes) intermediates_.put(digest, parsed);
    return parsed;
  }

  static Remembered remembered(const Judgement& judgement, const std::vector<Sha256>& digests,
                               UtcTime now) {
    Remembered out{judgement.verdict, {}, now, judgement.same_until};
    for (const Sha256& proven : judgement.proven) {
      const auto at = std::find(digests.begin() + 1, digests.end(), proven);
      if (at != digests.end())
        out.proven.push_back(static_cast<std::uint8_t>(at - digests.begin()));
    }
    return out;
  }

  static Verdict restore(const Remembered& known, const ChainInput& input) {
    Verdict out = known.verdict;
    for (const std::uint8_t at : known.proven) out.proven_intermediates.push_back(input.chain[at]);
    return out;
  }

  mutable std::mutex mutex_;
  std::shared_ptr<const TrustStore> trust_;
  const std::shared_ptr<IntermediatePool> pool_;
  BoundedCache<Remembered> verdicts_;
  BoundedCache<CertificatePtr> intermediates_;
};

}  // namespace

std::unique_ptr<Verifier> Verifier::create(std::shared_ptr<const TrustStore> trust,
                                           std::shared_ptr<IntermediatePool> pool) {
  return std::make_unique<CachingVerifier>(std::move(trust), std::move(pool));
}

}  // namespace certline::pki
