// Base64 both ways: the vectors of RFC 4648, every length, and the refusal of any second spelling.
#include "protocol/base64.hpp"

#include <catch2/catch.hpp>
#include <random>

using namespace certline;

namespace {

std::vector<std::uint8_t> bytes_of(std::string_view text) {
  return {text.begin(), text.end()};
}

}  // namespace

TEST_CASE("the vectors of RFC 4648, section 10") {
  const std::pair<std::string_view, std::string_view> rows[] = {{"", ""},
                                                                {"f", "Zg=="},
                                                                {"fo", "Zm8="},
                                                                {"foo", "Zm9v"},
                                                                {"foob", "Zm9vYg=="},
                                                                {"fooba", "Zm9vYmE="},
                                                                {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : rows) {
    CHECK(encode_base64(bytes_of(plain)) == encoded);
    REQUIRE(decode_base64(encoded));
    CHECK(*decode_base64(encoded) == bytes_of(plain));
  }
}

TEST_CASE("what is encoded comes back, whatever its length and bytes") {
  std::mt19937 random(1);
  for (std::size_t length = 0; length < 200; ++length) {
    std::vector<std::uint8_t> bytes(length);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
    const std::string encoded = encode_base64(bytes);
    CHECK(encoded.size() == (length + 2) / 3 * 4);
    REQUIRE(decode_base64(encoded));
    CHECK(*decode_base64(encoded) == bytes);
  }
}

TEST_CASE("only the one spelling with padding is taken") {
  for (const std::string_view bad :
       {"Zg", "Zg=", "Zg===", "Z", "Zm9v Zm9v", "Zm9v\n", "Zm-v", "Zm_v",
        "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm=v", "=Zm9", "Zm9\xc3"}) {
    INFO(bad);
    CHECK_FALSE(decode_base64(bad));
  }
  CHECK_FALSE(decode_base64(std::string("Zm9\0", 4)));
}
