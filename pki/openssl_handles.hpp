#pragma once
// Owning handles for OpenSSL objects: one alias and one deleter line for each type. OpenSSL queues
// errors per thread. Code that sees a call fail drains the queue at once, so that the error does
// not colour a later call. Only .cpp files of pki, the scanner and tests include this.

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

namespace certline::pki {

template <auto Free>
struct OpensslDeleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

inline void free_certificate_stack(STACK_OF(X509) * stack) {
  sk_X509_pop_free(stack, X509_free);
}
inline void free_stack_only(STACK_OF(X509) * stack) {
  sk_X509_free(stack);
}  // elements stay

using BioHandle = std::unique_ptr<BIO, OpensslDeleter<BIO_free>>;
using CertificateHandle = std::unique_ptr<X509, OpensslDeleter<X509_free>>;
using KeyHandle = std::unique_ptr<EVP_PKEY, OpensslDeleter<EVP_PKEY_free>>;
using DigestContextHandle = std::unique_ptr<EVP_MD_CTX, OpensslDeleter<EVP_MD_CTX_free>>;
using StoreHandle = std::unique_ptr<X509_STORE, OpensslDeleter<X509_STORE_free>>;
using StoreContextHandle = std::unique_ptr<X509_STORE_CTX, OpensslDeleter<X509_STORE_CTX_free>>;
using StackHandle = std::unique_ptr<STACK_OF(X509), OpensslDeleter<free_certificate_stack>>;
using BorrowedStackHandle = std::unique_ptr<STACK_OF(X509), OpensslDeleter<free_stack_only>>;
using ExtensionHandle = std::unique_ptr<X509_EXTENSION, OpensslDeleter<X509_EXTENSION_free>>;
using NameHandle = std::unique_ptr<X509_NAME, OpensslDeleter<X509_NAME_free>>;
using GeneralNamesHandle = std::unique_ptr<GENERAL_NAMES, OpensslDeleter<GENERAL_NAMES_free>>;
using NameConstraintsHandle =
    std::unique_ptr<NAME_CONSTRAINTS, OpensslDeleter<NAME_CONSTRAINTS_free>>;
using AuthorityKeyIdHandle = std::unique_ptr<AUTHORITY_KEYID, OpensslDeleter<AUTHORITY_KEYID_free>>;
using BasicConstraintsHandle =
    std::unique_ptr<BASIC_CONSTRAINTS, OpensslDeleter<BASIC_CONSTRAINTS_free>>;
using ExtendedUsageHandle =
    std::unique_ptr<EXTENDED_KEY_USAGE, OpensslDeleter<EXTENDED_KEY_USAGE_free>>;
using BigNumberHandle = std::unique_ptr<BIGNUM, OpensslDeleter<BN_free>>;
using OcspResponseHandle = std::unique_ptr<OCSP_RESPONSE, OpensslDeleter<OCSP_RESPONSE_free>>;
using OcspBasicHandle = std::unique_ptr<OCSP_BASICRESP, OpensslDeleter<OCSP_BASICRESP_free>>;
using OcspCertIdHandle = std::unique_ptr<OCSP_CERTID, OpensslDeleter<OCSP_CERTID_free>>;

// Empties this thread's queue; returns the text of its first error, "" when there was none.
inline std::string drain_openssl_errors() {
  std::string first;
  for (unsigned long code = ERR_get_error(); code != 0; code = ERR_get_error()) {
    if (!first.empty()) continue;
    char text[160];
    ERR_error_string_n(code, text, sizeof text);
    first = text;
  }
  return first;
}

}  // namespace certline::pki
