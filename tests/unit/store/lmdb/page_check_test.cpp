// Files and libraries of an LMDB that the page check was not written for: it says so and steps
// aside. Damaged pages are in damage_trials.cpp.
#include <catch2/catch.hpp>
#include <fstream>

#include "store/lmdb/open.hpp"
#include "store/lmdb/page_check.hpp"
#include "store/lmdb/page_format.hpp"
#include "tests/unit/store/samples.hpp"

using namespace certline;
using namespace certline::store;
using namespace certline::store::test;
using lmdb::Environment;

namespace {

constexpr lmdb::LibraryVersion kUnknown{0, 9, 99};
constexpr std::streamoff kPage = 4096;
// Behind the header of a page that describes a snapshot: the magic number, then the version.
constexpr std::streamoff kDataVersion = lmdb::pages::kPageHeader + 4;

void overwrite(const std::string& path, std::streamoff at, const std::string& bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(at);
  file << bytes;
  REQUIRE(file.good());
}

std::string make_store(const Scratch& scratch) {
  const auto store = lmdb::open(settings(scratch / "s")).value();
  REQUIRE(store->write([](WriteView& view) { view.accounts.put(sample_account(1)); }) ==
          CommitOutcome::committed);
  return scratch / "s/data.mdb";
}

struct Opened {
  Result<std::shared_ptr<Environment>> environment;
  std::vector<std::string> notes;
};

Opened open_as(const Scratch& scratch, lmdb::LibraryVersion library) {
  std::vector<std::string> notes;
  auto environment =
      Environment::open(scratch / "s", 0, Environment::Mode::read_only,
                        {library, [&](const std::string& note) { notes.push_back(note); }});
  return {std::move(environment), std::move(notes)};
}

}  // namespace

// When this fails the packaged library has changed. Compare the page layout of its mdb.c with
// store/lmdb/page_format.hpp, then add its version to kKnownLibraries in page_check.cpp.
TEST_CASE("the page check knows the LMDB that is installed") {
  const Scratch scratch;
  const std::string file = make_store(scratch);
  const auto [major, minor, patch] = lmdb::running_library();
  INFO("LMDB " << major << "." << minor << "." << patch);
  CHECK_FALSE(lmdb::unknown_pages(file).has_value());
  CHECK(major == MDB_VERSION_MAJOR);
  CHECK(minor == MDB_VERSION_MINOR);
  CHECK(patch == MDB_VERSION_PATCH);
}

TEST_CASE("under an unknown library the page check declines, says so once and checks nothing") {
  const Scratch scratch;
  const std::string file = make_store(scratch);
  const auto size = static_cast<std::streamoff>(std::filesystem::file_size(file));
  REQUIRE(size % kPage == 0);
  {
    const Opened known = open_as(scratch, lmdb::running_library());
    CHECK(known.environment.has_value());
    CHECK(known.notes.empty());
  }
  overwrite(file, 0, std::string(1, '\1'));  // its number, which LMDB doesn't read on page 0
  CHECK_FALSE(open_as(scratch, lmdb::running_library()).environment.has_value());
  const Opened unknown = open_as(scratch, kUnknown);
  CHECK(unknown.environment.has_value());
  REQUIRE(unknown.notes.size() == 1);
  CHECK(unknown.notes[0] ==
        "store " + (scratch / "s") + " is not checked: the page check does not know LMDB 0.9.99");
}

TEST_CASE("a data version unknown to the page check is left to LMDB, which refuses it") {
  const Scratch scratch;
  const std::string file = make_store(scratch);
  overwrite(file, kDataVersion, std::string("\2\0\0\0", 4));
  overwrite(file, kPage + kDataVersion, std::string("\2\0\0\0", 4));
  CHECK(lmdb::unknown_pages(file) == "the page check does not know LMDB's data version 2");
  const Opened opened = open_as(scratch, lmdb::running_library());
  REQUIRE(opened.environment.has_error());
  CHECK(opened.environment.error().kind == ErrorKind::unavailable);
  CHECK(opened.environment.error().detail.find("MDB_VERSION_MISMATCH") != std::string::npos);
  CHECK(opened.notes.size() == 1);
}
