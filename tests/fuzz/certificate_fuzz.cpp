// Chains, staples and summaries from arbitrary bytes. Nothing crashes, all output is printable, and
// no chain is trusted by a store that has none of its certificates. The first four bytes are the
// lengths of the leaf and the intermediate, 16 bits each; the rest is the staple.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>

#include "pki/certificate.hpp"
#include "pki/certificate_summary.hpp"
#include "pki/stapled_ocsp.hpp"
#include "pki/verdict.hpp"

namespace {

using namespace certline;
using namespace certline::pki;

void require(bool held) {
  if (!held) std::abort();
}

void require_clean(const std::string& text) {
  for (const char c : text) require(c >= 0x20 && c < 0x7f);
}

// Vouches for nothing.
class NoTrust : public TrustStore {
 public:
  std::size_t size() const override { return 0; }
  const Sha256& version() const override { return version_; }
  std::vector<const Anchor*> issuers_of(const Certificate&) const override { return {}; }
  const Anchor* find(const Sha256&) const override { return nullptr; }

 private:
  Sha256 version_{};
};

void check_summary(std::span<const std::uint8_t> der) {
  const CertificateSummary summary = summarize(der);
  for (const auto* text :
       {&summary.subject, &summary.issuer, &summary.serial, &summary.signature_algorithm}) {
    require_clean(text->has_value() ? **text : text->error().detail);
  }
  if (summary.names) {
    for (const std::string& name : summary.names->dns) require_clean(name);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::uint8_t> all(data, size);
  check_summary(all);
  if (size < 4) return 0;
  std::span<const std::uint8_t> rest = all.subspan(4);
  const auto take = [&rest](std::size_t most) {
    const auto piece = rest.first(std::min(most, rest.size()));
    rest = rest.subspan(piece.size());
    return piece;
  };
  const auto leaf = take(std::size_t{data[0]} << 8 | data[1]);
  const auto issuer = take(std::size_t{data[2]} << 8 | data[3]);
  std::vector<ObservedCertificate> chain(3);
  chain[0].der.assign(all.begin(), all.end());
  chain[1].der.assign(leaf.begin(), leaf.end());
  chain[2].der.assign(issuer.begin(), issuer.end());

  static const auto pool = IntermediatePool::create(64);
  static const auto verifier = Verifier::create(std::make_shared<NoTrust>(), pool);
  for (const bool shifted : {false, true}) {
    ChainInput input;
    input.chain = std::span<const ObservedCertificate>(chain).subspan(shifted ? 1 : 0);
    input.host = "www.example.org";
    input.now = 1'800'000'000;
    input.stapled_ocsp = rest;
    const Verdict verdict = verifier->judge(input);
    require(!verdict.trusted && is_verdict(verdict.state) && verdict.state != ScanState::ok);
    require(verdict.detail.size() <= 200);
    require_clean(verdict.detail);
  }
  const CertificatePtr one = Certificate::parse(leaf), other = Certificate::parse(issuer);
  if (one && other) read_staple(rest, *one, *other, 1'800'000'000);
  pool->add(chain[1]);
  return 0;
}
