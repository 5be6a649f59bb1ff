// OCSP_basic_verify proves the signature only. This file checks the rest: which signer may answer,
// for which certificate, and when. OpenSSL alone ignores critical extensions, takes the first of
// contradicting answers and never looks at producedAt.

#include "pki/stapled_ocsp.hpp"

#include <algorithm>

#include "pki/asn1_values.hpp"

namespace certline::pki {

namespace {

using Single = OCSP_SINGLERESP;

constexpr int kMostAnswers = 64;

class Reading {
 public:
  Reading(const Certificate& leaf, const Certificate& issuer, UtcTime now)
      : leaf_(leaf), issuer_(issuer), now_(now) {}

  Staple read(std::span<const std::uint8_t> der) {
    if (!parse(der) || !no_critical_extensions() || !signer_may_sign()) return std::move(out_);
    const int count = OCSP_resp_count(basic_.get());
    if (count > kMostAnswers) return invalid("holds too many answers");
    bool matched = false;
    out_.status = StapleStatus::good;
    for (int i = 0; i < count; ++i) {
      OCSP_SINGLERESP* single = OCSP_resp_get0(basic_.get(), i);
      if (!is_about_leaf(single)) continue;
      matched = true;
      if (!take(single)) return std::move(out_);
    }
    return matched ? std::move(out_) : invalid("is about another certificate");
  }

 private:
  Staple invalid(std::string reason) {
    out_.status = StapleStatus::invalid;
    out_.reason = std::move(reason);
    return out_;
  }

  bool fail(std::string reason) {
    invalid(std::move(reason));
    return false;
  }

  // The result changes when the clock passes `at`.
  void changes_at(UtcTime at) {
    if (at > now_) out_.same_until = std::min(out_.same_until, at);
  }

  bool parse(std::span<const std::uint8_t> der) {
    if (der.size() > kStapleBytes) return fail("is larger than 64 KiB");
    const unsigned char* at = der.data();
    const OcspResponseHandle response(
        d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(der.size())));
    if (!response || at != der.data() + der.size()) return fail("is not an OCSP response");
    if (OCSP_response_status(response.get()) != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
      return fail("is an error response");
    }
    basic_.reset(OCSP_response_get1_basic(response.get()));
    return basic_ ? true : fail("holds no basic response");
  }

  bool no_critical_extensions() {
    if (OCSP_BASICRESP_get_ext_by_critical(basic_.get(), 1, -1) >= 0) {
      return fail("has an unknown critical extension");
    }
    for (int i = 0; i < OCSP_resp_count(basic_.get()); ++i) {
      if (OCSP_SINGLERESP_get_ext_by_critical(OCSP_resp_get0(basic_.get(), i), 1, -1) >= 0) {
        return fail("has an unknown critical extension");
      }
    }
    return true;
  }

  bool signer_may_sign() {
    const BorrowedStackHandle extra(sk_X509_new_null());
    if (!extra || sk_X509_push(extra.get(), issuer_.x509.get()) == 0) return fail("out of memory");
    X509* signer = nullptr;
    if (OCSP_resp_get0_signer(basic_.get(), &signer, extra.get()) != 1 || signer == nullptr) {
      return fail("has an unknown signer");
    }
    if (OCSP_basic_verify(basic_.get(), extra.get(), nullptr, OCSP_NOVERIFY) != 1) {
      return fail("has a signature that does not hold");
    }
    const auto produced = unix_time(OCSP_resp_get0_produced_at(basic_.get()));
    const auto from = unix_time(X509_get0_notBefore(signer));
    const auto to = unix_time(X509_get0_notAfter(signer));
    if (!produced || !from || !to) return fail("has unreadable times");
    if (*produced < *from || *produced > *to) {
      return fail("was produced outside its signer's validity");
    }
    changes_at(*produced - kStapleSkewSeconds);
    if (*produced > now_ + kStapleSkewSeconds) return fail("is from the future");
    if (ASN1_STRING_cmp(X509_get0_pubkey_bitstr(signer),
                        X509_get0_pubkey_bitstr(issuer_.x509.get())) == 0) {
      return true;
    }
    return delegated(signer, *from, *to);
  }

  // RFC 6960 4.2.2.2: issued directly by the CA, for this purpose.
  bool delegated(X509* signer, UtcTime from, UtcTime to) {
    changes_at(from);
    changes_at(to + 1);
    if (now_ < from || now_ > to) return fail("has a signer outside its validity");
    const bool purpose = (X509_get_extension_flags(signer) & EXFLAG_XKUSAGE) != 0 &&
                         (X509_get_extended_key_usage(signer) & XKU_OCSP_SIGN) != 0;
    const bool issued = X509_NAME_cmp(X509_get_issuer_name(signer),
                                      X509_get_subject_name(issuer_.x509.get())) == 0 &&
                        X509_verify(signer, X509_get0_pubkey(issuer_.x509.get())) == 1;
    return purpose && issued ? true : fail("has a signer that may not answer for this issuer");
  }

  bool is_about_leaf(Single* single) const {
    ASN1_OBJECT* digest = nullptr;
    OCSP_CERTID* id = const_cast<OCSP_CERTID*>(OCSP_SINGLERESP_get0_id(single));
    OCSP_id_get0_info(nullptr, &digest, nullptr, nullptr, id);
    const EVP_MD* kind = EVP_get_digestbyobj(digest);
    if (kind == nullptr) return false;
    const OcspCertIdHandle wanted(OCSP_cert_to_id(kind, leaf_.x509.get(), issuer_.x509.get()));
    return wanted && OCSP_id_cmp(wanted.get(), id) == 0;
  }

  // A revoked answer wins over all others, an unknown one over a good one.
  bool take(Single* single) {
    ASN1_GENERALIZEDTIME *revoked_at = nullptr, *this_update = nullptr, *next_update = nullptr;
    int why = 0;
    const int status =
        OCSP_single_get0_status(single, &why, &revoked_at, &this_update, &next_update);
    const auto from = unix_time(this_update);
    if (!from) return fail("has unreadable times");
    UtcTime to = *from + kStapleAgeSeconds;
    if (next_update != nullptr) {
      const auto next = unix_time(next_update);
      if (!next || *next < *from) return fail("has unreadable times");
      to = *next;
    }
    changes_at(*from - kStapleSkewSeconds);
    changes_at(to + kStapleSkewSeconds + 1);
    if (now_ < *from - kStapleSkewSeconds) return fail("is not valid yet");
    if (now_ > to + kStapleSkewSeconds) return fail("is out of date");
    const StapleStatus said = status == V_OCSP_CERTSTATUS_REVOKED ? StapleStatus::revoked
                              : status == V_OCSP_CERTSTATUS_GOOD  ? StapleStatus::good
                                                                  : StapleStatus::unknown;
    out_.status = std::max(out_.status, said);
    return true;
  }

  const Certificate& leaf_;
  const Certificate& issuer_;
  const UtcTime now_;
  OcspBasicHandle basic_;
  Staple out_;
};

}  // namespace

Staple read_staple(std::span<const std::uint8_t> der, const Certificate& leaf,
                   const Certificate& issuer, UtcTime now) {
  Staple out = Reading(leaf, issuer, now).read(der);
  drain_openssl_errors();
  return out;
}

}  // namespace certline::pki
