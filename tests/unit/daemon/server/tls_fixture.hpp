#pragma once
// Certificates in files, and a very simple TLS client.

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "daemon/server/tls_identity.hpp"
#include "tests/unit/daemon/runtime/temporary_directory.hpp"
#include "tests/unit/pki/make_certificate.hpp"

namespace certline::server {

using namespace runtime;

// A self-signed pair in two files of a directory.
struct TlsPair {
  std::string certificate, key;

  TlsPair(const std::string& directory, const std::string& stem,
          const std::vector<std::string>& names = {"DNS:certline.test", "IP:127.0.0.1"})
      : certificate(directory + "/" + stem + ".pem"), key(directory + "/" + stem + ".key") {
    std::signal(SIGPIPE, SIG_IGN);  // as the daemon does
    pki::test::Spec spec;
    spec.names = names;
    const auto made = pki::test::make(spec);
    std::ofstream(certificate) << pki::test::pem_of(made.x.get());
    const pki::BioHandle out(BIO_new(BIO_s_mem()));
    REQUIRE(PEM_write_bio_PrivateKey(out.get(), made.key.get(), nullptr, nullptr, 0, nullptr,
                                     nullptr) == 1);
    char* data = nullptr;
    const long size = BIO_get_mem_data(out.get(), &data);
    std::ofstream(key) << std::string(data, static_cast<std::size_t>(size));
  }

  TlsIdentityPtr identity() const {
    auto loaded = TlsIdentity::load(certificate, key);
    INFO((loaded ? "" : loaded.error().detail));
    REQUIRE(loaded.has_value());
    return *loaded;
  }
};

// Verifies nothing. On a descriptor that it owns.
class TlsPeer {
 public:
  explicit TlsPeer(int descriptor) : descriptor_(descriptor) {
    ssl_ = SSL_new(context());
    SSL_set_fd(ssl_, descriptor);
    SSL_set_connect_state(ssl_);
  }
  ~TlsPeer() {
    SSL_free(ssl_);
    ::close(descriptor_);
  }
  TlsPeer(const TlsPeer&) = delete;
  TlsPeer& operator=(const TlsPeer&) = delete;

  static int connected_to(std::uint16_t port) {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // No assertion: also called by threads of a test.
    if (::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("cannot connect");
    }
    return descriptor;
  }

  bool handshake() { return SSL_do_handshake(ssl_) == 1; }
  bool send(std::string_view text) {
    return SSL_write(ssl_, text.data(), static_cast<int>(text.size())) ==
           static_cast<int>(text.size());
  }
  // What comes next; "" at the end, and where nothing is there on a non-blocking descriptor.
  std::string receive() {
    std::string some(16384, '\0');
    const int got = SSL_read(ssl_, some.data(), static_cast<int>(some.size()));
    some.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return some;
  }
  std::string receive_until(std::string_view last) {
    std::string all;
    while (all.find(last) == all.npos) {
      const std::string some = receive();
      if (some.empty()) break;
      all += some;
    }
    return all;
  }
  Sha256 certificate() const {
    const pki::CertificateHandle leaf(SSL_get1_peer_certificate(ssl_));
    REQUIRE(leaf);
    Sha256 digest{};
    REQUIRE(X509_digest(leaf.get(), EVP_sha256(), digest.data(), nullptr) == 1);
    return digest;
  }
  SSL* ssl() { return ssl_; }

 private:
  static SSL_CTX* context() {
    static const std::unique_ptr<SSL_CTX, pki::OpensslDeleter<SSL_CTX_free>> shared(
        SSL_CTX_new(TLS_client_method()));
    return shared.get();
  }
  int descriptor_;
  SSL* ssl_;
};

}  // namespace certline::server
