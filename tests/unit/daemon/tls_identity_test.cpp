// Which pairs of files are an identity, what is wrong with the others, and when they have changed.
#include "daemon/tls_identity.hpp"

#include <sys/stat.h>

#include "daemon/listeners.hpp"
#include "daemon/own_names.hpp"
#include "service_fixture.hpp"
#include "tls_fixture.hpp"

using namespace certline;
using namespace certline::daemon;

namespace {

std::string problem(const std::string& certificate, const std::string& key) {
  const auto loaded = TlsIdentity::load(certificate, key);
  REQUIRE(loaded.has_error());
  CHECK(loaded.error().detail.find('\n') == std::string::npos);
  return loaded.error().detail;
}

bool says(const std::string& text, const std::string& what) {
  INFO(text);
  return text.find(what) != text.npos;
}

void copy(const std::string& from, const std::string& to) {
  std::filesystem::copy_file(from, to + ".new");
  std::filesystem::rename(to + ".new", to);
}

}  // namespace

TEST_CASE("an identity knows its names and dates") {
  const TemporaryDirectory dir;
  const auto identity =
      TlsPair(dir.path, "own",
              {"DNS:a.example.org", "DNS:*.b.example.org", "IP:192.0.2.1", "IP:::1"})
          .identity();
  CHECK(identity->names() ==
        std::vector<std::string>{"a.example.org", "*.b.example.org", "192.0.2.1", "::1"});
  CHECK(identity->not_after() == pki::test::kNow + 60 * pki::test::kDay);
}

TEST_CASE("what is wrong with a pair is said with its setting and file") {
  const TemporaryDirectory dir;
  const TlsPair one(dir.path, "one"), two(dir.path, "two");
  const std::string missing = dir.path + "/missing.pem", junk = dir.path + "/junk.pem";
  std::ofstream(junk) << "no PEM\n";
  CHECK(says(problem(missing, one.key), "tls.certificate: " + missing + ": No such file"));
  CHECK(says(problem(one.certificate, missing), "tls.key: " + missing + ": No such file"));
  CHECK(says(problem(junk, one.key), "tls.certificate: " + junk));
  CHECK(says(problem(one.certificate, junk), "tls.key: " + junk));
  CHECK(says(problem(one.certificate, two.key), "is not the key of " + one.certificate));
  CHECK(says(problem(one.key, one.key), "write a PEM chain, leaf first"));
}

TEST_CASE("files have changed once they differ and rest") {
  const TemporaryDirectory dir;
  const TlsPair used(dir.path, "used"), fresh(dir.path, "fresh");
  TlsFiles files(used.certificate, used.key);
  const auto first = files.load();
  REQUIRE(first.has_value());
  CHECK_FALSE(files.changed());
  CHECK_FALSE(files.changed());

  copy(fresh.certificate, used.certificate);
  CHECK_FALSE(files.changed());  // perhaps the key is being written
  copy(fresh.key, used.key);
  CHECK_FALSE(files.changed());
  CHECK(files.changed());
  const auto second = files.load();
  REQUIRE(second.has_value());
  CHECK((*second)->sha256() != (*first)->sha256());
  CHECK_FALSE(files.changed());

  std::filesystem::remove(used.key);
  CHECK_FALSE(files.changed());
  CHECK(files.changed());
  CHECK(files.load().has_error());
  CHECK_FALSE(files.changed());  // said once
  copy(fresh.key, used.key);
  CHECK_FALSE(files.changed());
  CHECK(files.changed());
  CHECK(files.load().has_value());
}

TEST_CASE("own names: one for each TLS port, at an address that reaches it") {
  const TemporaryDirectory dir;
  const auto identity =
      TlsPair(dir.path, "own", {"DNS:a.example.org", "DNS:*.a.example.org", "IP:::1"}).identity();
  const IpAddress lan = IpAddress::v4(0xc0000201);
  const auto own = own_endpoints(identity.get(), {{Wire::line, {lan, 10023}, {}},
                                                  {Wire::line_tls, {lan, 10024}, {}},
                                                  {Wire::https, {IpAddress::v4(0), 443}, {}},
                                                  {Wire::https, {IpAddress{}, 443}, {}}});
  std::vector<std::string> told;
  for (const auto& each : own) {
    told.push_back(each.host + " " + std::to_string(each.port) + " " + each.address.to_string());
  }
  CHECK(told == std::vector<std::string>{"a.example.org 10024 192.0.2.1", "::1 10024 192.0.2.1",
                                         "a.example.org 443 127.0.0.1", "::1 443 127.0.0.1"});
  CHECK(own_endpoints(nullptr, {{Wire::line_tls, {lan, 10024}, {}}}).empty());
}

TEST_CASE("own names are watched for the operator, and no longer when they are others") {
  ServiceFixture f;
  const IpAddress address = IpAddress::v4(0x7f000001);
  const auto settle = [&](std::vector<scanner::OwnEndpoint> own) {
    if (auto job = watch_own_names(*f.service, f.settings, std::move(own))) {
      f.store->submit(std::move(job));
    }
    REQUIRE(f.store->write([](store::WriteView&) {}) == store::CommitOutcome::committed);
    std::vector<std::string> names;
    for (const auto& [name, watch] : f.store->read().watches(kOperatorAccount, "", 10)) {
      names.push_back(name);
    }
    return names;
  };
  CHECK(watch_own_names(*f.service, f.settings, {}) == nullptr);
  CHECK(settle({{"a.test", 10024, address}, {"a.test", 443, address}, {"::1", 443, address}}) ==
        std::vector<std::string>{"[::1]", "a.test", "a.test:10024"});
  const auto id = f.store->read().endpoint_id("a.test", 10024, Starttls::none);
  REQUIRE(id);
  CHECK(f.store->read().endpoint(*id)->next_scan_utc == f.time);
  f.time += 100;
  CHECK(settle({{"a.test", 10024, address}}) == std::vector<std::string>{"a.test:10024"});
  CHECK(f.store->read().endpoint(*id)->next_scan_utc == f.time);  // another certificate: look now
  CHECK(f.store->read().counts().endpoints == 1);
  CHECK(settle({}).empty());
  CHECK(f.store->read().counts().endpoints == 0);
}
