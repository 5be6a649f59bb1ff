// Summaries of certificates that have one odd field each.

#include "pki/certificate_summary.hpp"
#include "make_certificate.hpp"
#include "pki/asn1_values.hpp"
#include "protocol/utc_text.hpp"

namespace certline::pki {
namespace {

using namespace test;

CertificateSummary summary_of(const Made& made) {
  return summarize(made.observed().der);
}

TEST_CASE("the summary of an ordinary certificate") {
  const Made root = make_root("Root");
  const Made leaf = make({.subject = "www.example.org",
                          .names = {"DNS:www.example.org", "DNS:*.example.org", "IP:192.0.2.1",
                                    "IP:2001:db8::1", "email:a@example.org"},
                          .serial = 0x1234},
                         &root);
  const CertificateSummary summary = summary_of(leaf);
  CHECK(summary.sha256 == leaf.observed().sha256);
  CHECK(*summary.subject == "CN=www.example.org");
  CHECK(*summary.issuer == "CN=Root");
  CHECK(*summary.serial == "1234");
  CHECK(*summary.not_before == kNow - 30 * kDay);
  CHECK(*summary.not_after == kNow + 60 * kDay);
  CHECK(summary.names->dns == std::vector<std::string>{"www.example.org", "*.example.org"});
  REQUIRE(summary.names->ip.size() == 2);
  CHECK(summary.names->ip[0].to_string() == "192.0.2.1");
  CHECK(summary.names->ip[1].to_string() == "2001:db8::1");
  CHECK(summary.names->others == 1);
  CHECK(summary.key->type == "P-256");
  CHECK(summary.key->bits == 256);
  CHECK(*summary.signature_algorithm == "ecdsa-with-SHA256");
  CHECK_FALSE(*summary.is_ca);
  CHECK_FALSE(*summary.self_issued);
  const CertificateSummary above = summary_of(root);
  CHECK(*above.is_ca);
  CHECK(*above.self_issued);
  CHECK(above.names->dns.empty());
}

TEST_CASE("serial numbers: negative, zero, long") {
  CHECK(*summary_of(make({.serial = -5})).serial == "-05");
  const std::unique_ptr<ASN1_INTEGER, OpensslDeleter<ASN1_INTEGER_free>> number(ASN1_INTEGER_new());
  ASN1_INTEGER_set(number.get(), 0);
  CHECK(*serial_text(number.get()) == "00");
  const Bytes octets(40, 0xab);
  ASN1_STRING_set(number.get(), octets.data(), 40);
  CHECK(serial_text(number.get())->size() == 80);
  const Bytes many(257, 0xab);
  ASN1_STRING_set(number.get(), many.data(), 257);
  CHECK(serial_text(number.get()).has_error());
  CHECK(serial_text(nullptr).has_error());
}

TEST_CASE("times over the whole range, and no others") {
  const auto read = [](const char* text, int type) {
    const std::unique_ptr<ASN1_STRING, OpensslDeleter<ASN1_STRING_free>> time(
        ASN1_STRING_type_new(type));
    ASN1_STRING_set(time.get(), text, -1);
    return unix_time(time.get());
  };
  CHECK(*read("19700101000000Z", V_ASN1_GENERALIZEDTIME) == 0);
  CHECK(*read("00000101000000Z", V_ASN1_GENERALIZEDTIME) == -62'167'219'200);
  CHECK(*read("99991231235959Z", V_ASN1_GENERALIZEDTIME) == 253'402'300'799);
  CHECK(*read("491231235959Z", V_ASN1_UTCTIME) == 2'524'607'999);
  CHECK(*read("500101000000Z", V_ASN1_UTCTIME) == -631'152'000);
  CHECK(*read("240229120000Z", V_ASN1_UTCTIME) == 1'709'208'000);
  for (const char* bad : {"", "Z", "20230229000000Z", "20231301000000Z", "2023010125", "junk"}) {
    CHECK(read(bad, V_ASN1_GENERALIZEDTIME).has_error());
  }
  CHECK(iso_utc_text(253'402'300'799) == "9999-12-31T23:59:59Z");
  CHECK(iso_utc_text(-62'167'219'200) == "0000-01-01T00:00:00Z");
}

TEST_CASE("hostile text is escaped and cut") {
  CHECK(printable(std::string_view("a\0\r\n\x1b\xff", 6), 100) == "a\\x00\\x0d\\x0a\\x1b\\xff");
  CHECK(printable("abcdef", 6) == "abcdef");
  CHECK(printable("abcdefg", 6) == "abc...");
  CHECK(printable("abc", 2) == "..");
  const CertificateSummary summary = summary_of(make({.subject = "a\r\nb\x1b[2J\xc3\xa9"}));
  for (const char c : *summary.subject) CHECK((c >= 0x20 && c <= 0x7e));
}

TEST_CASE("a field that cannot be read does not hide the others") {
  const Made leaf = make({.subject = "x", .extensions = {{NID_subject_alt_name, "DER:04"}}});
  const CertificateSummary summary = summary_of(leaf);
  CHECK(summary.names.has_error());
  CHECK(*summary.subject == "CN=x");
  CHECK(summary.key.has_value());
  const Made twice =
      make({.names = {"DNS:a.example"}, .extensions = {{NID_subject_alt_name, "DNS:b.example"}}});
  CHECK(summary_of(twice).names.error().detail == "subjectAltName given twice");
}

TEST_CASE("no certificate at all: the digest and the reason") {
  for (const Bytes& der : {Bytes{}, Bytes{0x30}, Bytes(100, 0xff), Bytes(1024 * 1024 + 1, 0x30)}) {
    const CertificateSummary summary = summarize(der);
    CHECK(summary.sha256 == sha256(der));
    CHECK(summary.subject.has_error());
    CHECK(summary.self_issued.has_error());
    CHECK_FALSE(summary.not_after.error().detail.empty());
  }
  Bytes trailing = make({}).observed().der;
  trailing.push_back(0);
  CHECK(summarize(trailing).subject.error().detail == "bytes after the certificate");
}

}  // namespace
}  // namespace certline::pki
