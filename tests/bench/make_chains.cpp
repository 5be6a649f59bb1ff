// Makes chains for a farm of TLS servers: a root and a hundred intermediates. Under each there is a
// leaf for all addresses of one port, and a leaf for each address. All leaves have one key, because
// a server that picks the leaf by address has to read the key with each connection.
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "addresses.hpp"
#include "pki/openssl_handles.hpp"

namespace {

using namespace certline;
using certline::pki::CertificateHandle;
using certline::pki::KeyHandle;

constexpr long kDay = 24 * 3600;

struct Named {
  std::string name;
  KeyHandle key;
  CertificateHandle certificate;
};

void must(bool done, const char* what) {
  if (!done) throw std::runtime_error(std::string(what) + ": " + pki::drain_openssl_errors());
}

void extend(X509* x, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, x, nullptr, nullptr, 0);
  const pki::ExtensionHandle extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  must(extension && X509_add_ext(x, extension.get(), -1) == 1, value.c_str());
}

// Signed by `issuer`, or by itself without one; an authority where there is no alternative name.
CertificateHandle make(const std::string& subject, EVP_PKEY* key, const Named* issuer,
                       const std::string& alternative_name) {
  static long serial = 0;
  CertificateHandle out(X509_new());
  X509* const x = out.get();
  X509* const above = issuer != nullptr ? issuer->certificate.get() : x;
  must(X509_set_version(x, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(x), -kDay) != nullptr &&
           X509_gmtime_adj(X509_getm_notAfter(x), 90 * kDay) != nullptr &&
           X509_set_pubkey(x, key) == 1 &&
           X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                                      reinterpret_cast<const unsigned char*>(subject.c_str()), -1,
                                      -1, 0) == 1 &&
           X509_set_issuer_name(x, X509_get_subject_name(above)) == 1,
       "certificate");
  const bool authority = alternative_name.empty();
  extend(x, above, NID_basic_constraints, authority ? "critical,CA:TRUE" : "CA:FALSE");
  extend(x, above, NID_key_usage,
         authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
  if (!authority) extend(x, above, NID_ext_key_usage, "serverAuth");
  extend(x, above, NID_subject_key_identifier, "hash");
  if (issuer != nullptr) extend(x, above, NID_authority_key_identifier, "keyid");
  if (!authority) extend(x, above, NID_subject_alt_name, alternative_name);
  must(X509_sign(x, issuer != nullptr ? issuer->key.get() : key, EVP_sha256()) > 0, "signature");
  return out;
}

Named authority(const std::string& name, const Named* issuer) {
  Named out{name, KeyHandle(EVP_EC_gen("P-256")), nullptr};
  must(out.key != nullptr, "key");
  out.certificate = make(name, out.key.get(), issuer, "");
  return out;
}

struct FileClose {
  void operator()(FILE* f) const { std::fclose(f); }
};

void write(const std::string& path, const std::vector<const X509*>& certificates,
           EVP_PKEY* key = nullptr) {
  const std::unique_ptr<FILE, FileClose> file(std::fopen(path.c_str(), "w"));
  must(file != nullptr, path.c_str());
  for (const X509* x : certificates) must(PEM_write_X509(file.get(), x) == 1, path.c_str());
  if (key != nullptr) {
    must(PEM_write_PrivateKey(file.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
         path.c_str());
  }
}

void make_all(const std::string& directory, int count) {
  const Named root = authority("certline bench root", nullptr);
  write(directory + "/root.pem", {root.certificate.get()});
  std::vector<Named> between;
  for (int i = 0; i < bench::kPorts; ++i) {
    between.push_back(authority("certline bench intermediate " + std::to_string(i), &root));
  }
  const KeyHandle key(EVP_EC_gen("P-256"));
  write(directory + "/leaf.key", {}, key.get());
  std::vector<std::string> names(between.size());
  for (int i = 0; i < count; ++i) {
    std::string& all = names[static_cast<std::size_t>(i % bench::kPorts)];
    all += (all.empty() ? "IP:" : ",IP:") + bench::target_address(i).to_string();
  }
  for (std::size_t i = 0; i < names.size() && !names[i].empty(); ++i) {
    const CertificateHandle leaf =
        make("port " + std::to_string(i), key.get(), &between[i], names[i]);
    write(directory + "/port" + std::to_string(i) + ".pem",
          {leaf.get(), between[i].certificate.get()});
  }
  for (int i = 0; i < count; ++i) {
    const std::string address = bench::target_address(i).to_string();
    const Named& issuer = between[static_cast<std::size_t>(i % bench::kPorts)];
    const CertificateHandle leaf = make(address, key.get(), &issuer, "IP:" + address);
    write(directory + "/" + address + ".pem", {leaf.get(), issuer.certificate.get()});
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: make_chains DIRECTORY COUNT\n");
    return 2;
  }
  try {
    make_all(argv[1], std::atoi(argv[2]));
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "make_chains: %s\n", failure.what());
    return 1;
  }
  return 0;
}
