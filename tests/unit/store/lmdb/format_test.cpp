// The code writes the bytes of FORMAT.md's example, and FORMAT.md's tables are the code's.
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <sstream>

#include "store/tables.hpp"
#include "tests/unit/store/samples.hpp"

using namespace certline;
using namespace certline::store;

namespace {

std::string format_page() {
  std::ifstream in(CERTLINE_SOURCE_DIR "/store/FORMAT.md");
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string spaced_hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<std::uint8_t>(c);
    out += (out.empty() ? "" : " ") + hex(&byte, 1);
  }
  return out;
}

// The bytes in the first column of the example's rows "| `..` | meaning |".
std::string example_bytes(const std::string& page) {
  std::istringstream lines(page.substr(page.find("### One value, byte by byte")));
  std::string out;
  for (std::string line; std::getline(lines, line) && !line.starts_with("## Versions");) {
    if (!line.starts_with("| `")) continue;
    out += (out.empty() ? "" : " ") + line.substr(3, line.find('`', 3) - 3);
  }
  return out;
}

}  // namespace

TEST_CASE("FORMAT.md's example is what is written") {
  const std::string page = format_page();
  REQUIRE_FALSE(page.empty());
  const RowKey key = email_key("a@example.org");
  CHECK(example_bytes(page) == spaced_hex(bind(encode(ReferenceRecord{5}), key.view())));
  CHECK(page.find("`" + spaced_hex("a@example.org") + "`") != std::string::npos);
  CHECK(page.starts_with("# The store's format, version " + std::to_string(kFormatVersion) + "\n"));
}

TEST_CASE("FORMAT.md names every table") {
  const std::string page = format_page();
  for (std::size_t i = 0; i < kTableCount; ++i) {
    const std::string row = std::string("\n| `") + table_name(static_cast<Table>(i)) + "` |";
    INFO(row);
    CHECK(page.find(row) != std::string::npos);
  }
}
