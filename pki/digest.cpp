// Digests. They are on the hot path, once for each request: so the algorithm is looked up once for
// the process, and each thread keeps its context. A digest fails only when the library is broken or
// memory is out, never because of its input. So failure throws: a returned value might get stored.

#include "pki/digest.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <new>
#include <stdexcept>

#include "pki/openssl_handles.hpp"

namespace certline::pki {

namespace {

using AlgorithmHandle = std::unique_ptr<EVP_MD, OpensslDeleter<EVP_MD_free>>;

AlgorithmHandle fetch(const char* name) {
  AlgorithmHandle algorithm(EVP_MD_fetch(nullptr, name, nullptr));
  if (!algorithm) throw std::runtime_error("no digest: " + drain_openssl_errors());
  return algorithm;
}

DigestContextHandle new_context() {
  DigestContextHandle context(EVP_MD_CTX_new());
  if (!context) throw std::bad_alloc();
  return context;
}

template <std::size_t N>
std::array<std::uint8_t, N> digest(const void* data, std::size_t size, const EVP_MD* algorithm) {
  thread_local const DigestContextHandle context = new_context();
  std::array<std::uint8_t, N> out{};
  unsigned length = 0;
  if (EVP_DigestInit_ex2(context.get(), algorithm, nullptr) != 1 ||
      EVP_DigestUpdate(context.get(), data, size) != 1 ||
      EVP_DigestFinal_ex(context.get(), out.data(), &length) != 1 || length != N) {
    throw std::runtime_error("digest failed: " + drain_openssl_errors());
  }
  return out;
}

Sha256 sha256_of(const void* data, std::size_t size) {
  static const AlgorithmHandle algorithm = fetch("SHA256");
  return digest<32>(data, size, algorithm.get());
}

}  // namespace

Sha256 sha256(std::span<const std::uint8_t> bytes) {
  return sha256_of(bytes.data(), bytes.size());
}

Sha256 sha256(std::string_view text) {
  return sha256_of(text.data(), text.size());
}

std::array<std::uint8_t, 16> md5(std::string_view text) {
  static const AlgorithmHandle algorithm = fetch("MD5");
  return digest<16>(text.data(), text.size(), algorithm.get());
}

Sha256 hmac_sha256(std::string_view key, std::string_view text) {
  Sha256 out{};
  unsigned length = 0;
  const auto* const bytes = reinterpret_cast<const unsigned char*>(text.data());
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes, text.size(), out.data(),
           &length) == nullptr ||
      length != out.size()) {
    throw std::runtime_error("no HMAC: " + drain_openssl_errors());
  }
  return out;
}

bool equal_constant_time(const Sha256& a, const Sha256& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace certline::pki
