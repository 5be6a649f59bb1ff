// Which pairs of files are an identity, what is wrong with the others, and when they have changed.
#include "daemon/server/tls_identity.hpp"

#include <sys/stat.h>

#include "tests/unit/daemon/server/tls_fixture.hpp"

using namespace certline;
using namespace certline::runtime;
using namespace certline::server;

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
