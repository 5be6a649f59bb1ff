// Digests against the vectors of FIPS 180-4 and RFC 1321.

#include <catch2/catch.hpp>

#include "pki/digest.hpp"

namespace certline::pki {

TEST_CASE("digests of known texts") {
  CHECK(hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hex(md5("abc")) == "900150983cd24fb0d6963f7d28e17f72");
  CHECK(hex(md5("")) == "d41d8cd98f00b204e9800998ecf8427e");
  const std::array<std::uint8_t, 3> bytes = {'a', 'b', 'c'};
  CHECK(sha256(bytes) == sha256("abc"));
}

TEST_CASE("HMAC-SHA256 of RFC 4231, case 2") {
  CHECK(hex(hmac_sha256("Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST_CASE("comparison in constant time agrees with ==") {
  const Sha256 a = sha256("a");
  Sha256 b = a;
  CHECK(equal_constant_time(a, b));
  b[31] ^= 1;
  CHECK_FALSE(equal_constant_time(a, b));
}

}  // namespace certline::pki
