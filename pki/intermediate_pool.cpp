// Remembers intermediates that once were part of a verified path. They never make a chain trusted:
// they only tell "incomplete, but known elsewhere" from "leads nowhere". When the pool is full, the
// oldest goes, so a stream of new ones cannot fill the memory.

#include <deque>
#include <shared_mutex>
#include <unordered_map>
#include <unordered_set>

#include "pki/bounded_cache.hpp"
#include "pki/certificate.hpp"
#include "pki/verdict.hpp"

namespace certline::pki {

namespace {

class NamedPool : public IntermediatePool {
 public:
  explicit NamedPool(std::size_t most) : most_(most) {}

  bool add(const ObservedCertificate& certificate) override {
    CertificatePtr parsed = Certificate::parse(certificate.der);
    if (!parsed || most_ == 0) return false;
    const std::unique_lock lock(mutex_);
    if (!known_.insert(parsed->sha256).second) return false;
    if (order_.size() >= most_) forget_oldest();
    by_name_.emplace(parsed->subject_hash, parsed);
    order_.push_back(std::move(parsed));
    return true;
  }

  std::size_t size() const override {
    const std::shared_lock lock(mutex_);
    return order_.size();
  }

  std::vector<CertificatePtr> issuers_of(const Certificate& child) const override {
    std::vector<CertificatePtr> out;
    const std::shared_lock lock(mutex_);
    const auto [first, last] = by_name_.equal_range(child.issuer_hash);
    for (auto at = first; at != last; ++at) {
      if (child.names_as_issuer(*at->second)) out.push_back(at->second);
    }
    return out;
  }

 private:
  void forget_oldest() {
    const CertificatePtr oldest = std::move(order_.front());
    order_.pop_front();
    known_.erase(oldest->sha256);
    const auto [first, last] = by_name_.equal_range(oldest->subject_hash);
    for (auto at = first; at != last; ++at) {
      if (at->second == oldest) {
        by_name_.erase(at);
        return;
      }
    }
  }

  const std::size_t most_;
  mutable std::shared_mutex mutex_;
  std::unordered_set<Sha256, DigestHash> known_;
  std::unordered_multimap<unsigned long, CertificatePtr> by_name_;
  std::deque<CertificatePtr> order_;
};

}  // namespace

std::shared_ptr<IntermediatePool> IntermediatePool::create(std::size_t most) {
  return std::make_shared<NamedPool>(most);
}

}  // namespace certline::pki
