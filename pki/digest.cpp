// Digests through OpenSSL's one-shot interface. A digest that cannot be computed is a broken
// library or exhausted memory, never a property of the input, so failure throws instead of
// returning a value that somebody could store.

#include "pki/digest.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <stdexcept>

#include "pki/openssl_handles.hpp"

namespace certline::pki {

namespace {

template <std::size_t N>
std::array<std::uint8_t, N> digest(const void* data, std::size_t size, const EVP_MD* kind) {
  std::array<std::uint8_t, N> out{};
  unsigned length = 0;
  if (EVP_Digest(data, size, out.data(), &length, kind, nullptr) != 1 || length != N) {
    throw std::runtime_error("digest failed: " + drain_openssl_errors());
  }
  return out;
}

}  // namespace

Sha256 sha256(std::span<const std::uint8_t> bytes) {
  return digest<32>(bytes.data(), bytes.size(), EVP_sha256());
}

Sha256 sha256(std::string_view text) {
  return digest<32>(text.data(), text.size(), EVP_sha256());
}

std::array<std::uint8_t, 16> md5(std::string_view text) {
  return digest<16>(text.data(), text.size(), EVP_md5());
}

bool equal_constant_time(const Sha256& a, const Sha256& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace certline::pki
