// Stapled OCSP responses: only a response that passes every check may say revoked, and one that
// fails any check may say nothing.

#include "pki/stapled_ocsp.hpp"
#include "make_certificate.hpp"

namespace certline::pki {
namespace {

using namespace test;

struct Answer {
  int status = V_OCSP_CERTSTATUS_GOOD;
  UtcTime this_update = kNow - kDay, next_update = kNow + kDay;  // next 0: absent
  const Made* about = nullptr;                                   // null: the leaf
  const EVP_MD* id_digest = EVP_sha1();
};

struct Response {
  std::vector<Answer> answers;
  UtcTime produced = kNow - kDay;
  bool critical_in_response = false, critical_in_answer = false;
};

using TimeHandle = std::unique_ptr<ASN1_TIME, OpensslDeleter<ASN1_TIME_free>>;

TimeHandle at(UtcTime time) {
  return TimeHandle(time == 0 ? nullptr : ASN1_GENERALIZEDTIME_set(nullptr, time));
}

ExtensionHandle unknown_critical() {
  const std::unique_ptr<ASN1_OCTET_STRING, OpensslDeleter<ASN1_OCTET_STRING_free>> value(
      ASN1_OCTET_STRING_new());
  ASN1_OCTET_STRING_set(value.get(), reinterpret_cast<const unsigned char*>("\x05\x00"), 2);
  return ExtensionHandle(
      X509_EXTENSION_create_by_NID(nullptr, NID_hold_instruction_code, 1, value.get()));
}

Bytes der_of(OCSP_RESPONSE* response) {
  unsigned char* der = nullptr;
  const int size = i2d_OCSP_RESPONSE(response, &der);
  REQUIRE(size > 0);
  Bytes out(der, der + size);
  OPENSSL_free(der);
  return out;
}

Bytes respond(const Response& what, const Made& leaf, const Made& issuer, const Made& signer) {
  const OcspBasicHandle basic(OCSP_BASICRESP_new());
  for (const Answer& answer : what.answers) {
    const X509* about = answer.about != nullptr ? answer.about->x.get() : leaf.x.get();
    const OcspCertIdHandle id(OCSP_cert_to_id(answer.id_digest, about, issuer.x.get()));
    const bool revoked = answer.status == V_OCSP_CERTSTATUS_REVOKED;
    OCSP_SINGLERESP* single = OCSP_basic_add1_status(
        basic.get(), id.get(), answer.status, revoked ? OCSP_REVOKED_STATUS_KEYCOMPROMISE : 0,
        revoked ? at(answer.this_update).get() : nullptr, at(answer.this_update).get(),
        at(answer.next_update).get());
    REQUIRE(single != nullptr);
    if (what.critical_in_answer) OCSP_SINGLERESP_add_ext(single, unknown_critical().get(), -1);
  }
  if (what.critical_in_response) OCSP_BASICRESP_add_ext(basic.get(), unknown_critical().get(), -1);
  auto* produced = const_cast<ASN1_GENERALIZEDTIME*>(OCSP_resp_get0_produced_at(basic.get()));
  ASN1_GENERALIZEDTIME_set(produced, what.produced);
  REQUIRE(OCSP_basic_sign(basic.get(), signer.x.get(), signer.key.get(), EVP_sha256(), nullptr,
                          OCSP_NOTIME) == 1);
  const OcspResponseHandle response(
      OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic.get()));
  return der_of(response.get());
}

struct World {
  Made root = make_root("Root");
  Made ca = make_intermediate("CA", root);
  Made leaf = make_leaf(ca);
  Made delegate =
      make({.subject = "Responder", .extensions = {{NID_ext_key_usage, "OCSPSigning"}}}, &ca);

  Staple read(const Bytes& der, UtcTime now = kNow) const {
    return read_staple(der, *Certificate::parse(leaf.observed().der),
                       *Certificate::parse(ca.observed().der), now);
  }
  StapleStatus status(const Response& what, UtcTime now = kNow) const {
    return read(respond(what, leaf, ca, delegate), now).status;
  }
};

const Answer kRevoked{.status = V_OCSP_CERTSTATUS_REVOKED};

TEST_CASE("a response by the issuer, or by one it delegated to, is believed") {
  const World w;
  CHECK(w.status({{{}}}) == StapleStatus::good);
  CHECK(w.status({{kRevoked}}) == StapleStatus::revoked);
  CHECK(w.status({{{.status = V_OCSP_CERTSTATUS_UNKNOWN}}}) == StapleStatus::unknown);
  CHECK(w.read(respond({{kRevoked}}, w.leaf, w.ca, w.ca)).status == StapleStatus::revoked);
  CHECK(w.status({{{.status = V_OCSP_CERTSTATUS_REVOKED, .id_digest = EVP_sha256()}}}) ==
        StapleStatus::revoked);
}

TEST_CASE("contradicting answers: revoked wins, whatever the order") {
  const World w;
  CHECK(w.status({{{}, kRevoked}}) == StapleStatus::revoked);
  CHECK(w.status({{kRevoked, {}}}) == StapleStatus::revoked);
  const Made other = make_leaf(w.ca);
  CHECK(w.status({{{.status = V_OCSP_CERTSTATUS_REVOKED, .about = &other}, {}}}) ==
        StapleStatus::good);
  CHECK(w.status({{{.status = V_OCSP_CERTSTATUS_REVOKED, .about = &other}}}) ==
        StapleStatus::invalid);
}

TEST_CASE("who may not sign") {
  const World w;
  const Made plain = make({.subject = "Plain"}, &w.ca);
  const Made from_root =
      make({.subject = "Above", .extensions = {{NID_ext_key_usage, "OCSPSigning"}}}, &w.root);
  const Made expired = make({.subject = "Late",
                             .from = kNow - 60 * kDay,
                             .to = kNow - 2,
                             .extensions = {{NID_ext_key_usage, "OCSPSigning"}}},
                            &w.ca);
  for (const Made* signer : {&plain, &from_root, &expired, &w.root, &w.leaf}) {
    CHECK(w.read(respond({{kRevoked}}, w.leaf, w.ca, *signer)).status == StapleStatus::invalid);
  }
}

TEST_CASE("times, with five minutes of skew") {
  const World w;
  const auto status = [&](UtcTime from, UtcTime to) {
    return w.status(
        {{{.status = V_OCSP_CERTSTATUS_REVOKED, .this_update = from, .next_update = to}}});
  };
  CHECK(status(kNow + 300, kNow + kDay) == StapleStatus::revoked);
  CHECK(status(kNow + 301, kNow + kDay) == StapleStatus::invalid);
  CHECK(status(kNow - kDay, kNow - 300) == StapleStatus::revoked);
  CHECK(status(kNow - kDay, kNow - 301) == StapleStatus::invalid);
  CHECK(status(kNow - 10, kNow - 20) == StapleStatus::invalid);
  CHECK(status(kNow - 7 * kDay, 0) == StapleStatus::revoked);
  CHECK(status(kNow - 7 * kDay - 301, 0) == StapleStatus::invalid);
  CHECK(w.status({.answers = {kRevoked}, .produced = kNow + 301}) == StapleStatus::invalid);
  CHECK(w.status({.answers = {kRevoked}, .produced = kNow - 31 * kDay}) == StapleStatus::invalid);
}

TEST_CASE("unknown critical extensions, error responses, junk") {
  const World w;
  CHECK(w.status({.answers = {kRevoked}, .critical_in_response = true}) == StapleStatus::invalid);
  CHECK(w.status({.answers = {kRevoked}, .critical_in_answer = true}) == StapleStatus::invalid);
  const OcspResponseHandle later(OCSP_response_create(OCSP_RESPONSE_STATUS_TRYLATER, nullptr));
  CHECK(w.read(der_of(later.get())).status == StapleStatus::invalid);
  CHECK(w.read({}).status == StapleStatus::invalid);
  CHECK(w.read(Bytes(100'000, 0x30)).status == StapleStatus::invalid);
  Bytes trailing = respond({{kRevoked}}, w.leaf, w.ca, w.ca);
  trailing.push_back(0);
  CHECK(w.read(trailing).status == StapleStatus::invalid);
}

TEST_CASE("every flipped byte of a response: never believed to say revoked wrongly") {
  const World w;
  const Bytes good = respond({{{}}}, w.leaf, w.ca, w.ca);
  for (std::size_t i = 0; i < good.size(); ++i) {
    Bytes bad = good;
    bad[i] ^= 0x02;
    INFO("byte " << i);
    REQUIRE(w.read(bad).status != StapleStatus::revoked);
  }
}

TEST_CASE("the verdict: revoked comes first, an invalid staple is only mentioned") {
  const World w;
  const auto trust = store_of({&w.root});
  const auto chain = chain_of({&w.leaf, &w.ca});
  const auto verdict = [&](const Bytes& staple, UtcTime now, const char* host) {
    ChainInput input = input_of(chain, now, host);
    input.stapled_ocsp = staple;
    return judge(trust, input);
  };
  const Bytes revoked = respond({{kRevoked}}, w.leaf, w.ca, w.delegate);
  CHECK(verdict(revoked, kNow, "www.example.org").state == ScanState::revoked);
  CHECK_FALSE(verdict(revoked, kNow, "www.example.org").trusted);
  CHECK(verdict(revoked, kNow, "wrong.example.org").state == ScanState::revoked);
  const Verdict late = verdict(revoked, kNow + 2 * kDay, "www.example.org");
  CHECK(late.state == ScanState::ok);
  CHECK(late.detail == "stapled OCSP response ignored: it is out of date");
  CHECK(verdict(respond({{{}}}, w.leaf, w.ca, w.delegate), kNow, "www.example.org").detail.empty());
  CHECK(verdict({0x30, 0x00}, kNow, "www.example.org").state == ScanState::ok);
}

TEST_CASE("a remembered verdict ends where the staple's window ends") {
  const World w;
  const auto verifier = Verifier::create(store_of({&w.root}), IntermediatePool::create());
  const auto chain = chain_of({&w.leaf, &w.ca});
  const Bytes staple = respond({{{.status = V_OCSP_CERTSTATUS_REVOKED, .next_update = kNow + 100}}},
                               w.leaf, w.ca, w.ca);
  ChainInput input = input_of(chain);
  input.stapled_ocsp = staple;
  CHECK(verifier->judge(input).state == ScanState::revoked);
  input.now = kNow + 400;
  CHECK(verifier->judge(input).state == ScanState::revoked);
  input.now = kNow + 401;
  CHECK(verifier->judge(input).state == ScanState::ok);
}

}  // namespace
}  // namespace certline::pki
