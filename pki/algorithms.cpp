// OpenSSL builds its table of an operation's algorithms when one of them is first asked for. If
// memory runs out at that moment, the table stays incomplete for good, and every server would then
// seem not to speak TLS. So the tables are built and checked before the daemon serves anybody.
#include "pki/algorithms.hpp"

#include <openssl/decoder.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include <stdexcept>
#include <string>

#include "pki/openssl_handles.hpp"

namespace certline::pki {
namespace {

template <auto kFetch, auto kFree>
bool there(const char* name) {
  auto* const method = kFetch(nullptr, name, nullptr);
  kFree(method);
  return method != nullptr;
}

struct Algorithm {
  bool (*there)(const char* name);
  const char* name;
};

constexpr auto kDigest = &there<EVP_MD_fetch, EVP_MD_free>;
constexpr auto kCipher = &there<EVP_CIPHER_fetch, EVP_CIPHER_free>;
constexpr auto kMac = &there<EVP_MAC_fetch, EVP_MAC_free>;
constexpr auto kDerivation = &there<EVP_KDF_fetch, EVP_KDF_free>;
constexpr auto kRandom = &there<EVP_RAND_fetch, EVP_RAND_free>;
constexpr auto kKey = &there<EVP_KEYMGMT_fetch, EVP_KEYMGMT_free>;
constexpr auto kExchange = &there<EVP_KEYEXCH_fetch, EVP_KEYEXCH_free>;
constexpr auto kSignature = &there<EVP_SIGNATURE_fetch, EVP_SIGNATURE_free>;
constexpr auto kEncryption = &there<EVP_ASYM_CIPHER_fetch, EVP_ASYM_CIPHER_free>;
constexpr auto kDecoder = &there<OSSL_DECODER_fetch, OSSL_DECODER_free>;

constexpr Algorithm kNeeded[] = {
    {kDigest, "SHA2-256"},
    {kDigest, "SHA2-384"},
    {kDigest, "SHA2-512"},
    {kDigest, "SHA1"},
    {kDigest, "MD5"},
    {kDigest, "MD5-SHA1"},
    {kCipher, "AES-128-GCM"},
    {kCipher, "AES-256-GCM"},
    {kCipher, "AES-128-CBC"},
    {kCipher, "ChaCha20-Poly1305"},
    {kMac, "HMAC"},
    {kDerivation, "HKDF"},
    {kDerivation, "TLS1-PRF"},
    {kDerivation, "TLS13-KDF"},
    {kRandom, "CTR-DRBG"},
    {kKey, "RSA"},
    {kKey, "RSA-PSS"},
    {kKey, "EC"},
    {kKey, "DSA"},
    {kKey, "DH"},
    {kKey, "X25519"},
    {kKey, "X448"},
    {kKey, "ED25519"},
    {kKey, "ED448"},
    {kExchange, "ECDH"},
    {kExchange, "X25519"},
    {kExchange, "X448"},
    {kExchange, "DH"},
    {kSignature, "RSA"},
    {kSignature, "ECDSA"},
    {kSignature, "DSA"},
    {kSignature, "ED25519"},
    {kSignature, "ED448"},
    {kEncryption, "RSA"},
    {kDecoder, "RSA"},
    {kDecoder, "EC"},
    {kDecoder, "DSA"},
    {kDecoder, "ED25519"},
    {kDecoder, "ED448"},
};

}  // namespace

void load_algorithms() {
  for (const Algorithm& algorithm : kNeeded) {
    if (algorithm.there(algorithm.name)) continue;
    throw std::runtime_error(std::string("OpenSSL has no ") + algorithm.name + ": " +
                             drain_openssl_errors());
  }
}

}  // namespace certline::pki
