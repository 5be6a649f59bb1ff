#pragma once
// Servers on a free loopback port for tests: one that runs a function with each connection, and one
// with TLS on top. When they are destroyed, they and all their connections end.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../pki/make_certificate.hpp"

namespace certline::scanner::test {

inline sockaddr_in loopback(std::uint32_t address, std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_addr.s_addr = htonl(address);
  out.sin_port = htons(port);
  return out;
}

inline std::uint16_t port_of(int fd) {
  sockaddr_in bound{};
  socklen_t size = sizeof bound;
  REQUIRE(getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) == 0);
  return ntohs(bound.sin_port);
}

class LoopbackServer {
 public:
  using Serve = std::function<void(int fd, int connection)>;  // connections count from 0

  explicit LoopbackServer(Serve serve, std::uint32_t address = INADDR_LOOPBACK,
                          std::uint16_t wanted = 0)
      : serve_(std::move(serve)), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to clients that may be gone
    const int yes = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    const sockaddr_in at = loopback(address, wanted);
    REQUIRE(bind(listener_, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
    REQUIRE(listen(listener_, 128) == 0);
    port_ = port_of(listener_);
    acceptor_ = std::thread([this] { accept_all(); });
  }

  ~LoopbackServer() {
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    {
      const std::lock_guard lock(mutex_);
      for (const int fd : open_) shutdown(fd, SHUT_RDWR);
    }
    for (std::thread& t : connections_) t.join();
    close(listener_);
  }
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;

  std::uint16_t port() const { return port_; }
  int accepted() const { return accepted_; }

 private:
  void accept_all() {
    for (int number = 0;; ++number) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      accepted_ = number + 1;
      const std::lock_guard lock(mutex_);
      open_.insert(fd);
      connections_.emplace_back([this, fd, number] {
        serve_(fd, number);
        const std::lock_guard inner(mutex_);
        open_.erase(fd);
        close(fd);
      });
    }
  }

  Serve serve_;
  int listener_;
  std::uint16_t port_ = 0;
  std::atomic<int> accepted_{0};
  std::mutex mutex_;
  std::set<int> open_;
  std::vector<std::thread> connections_;
  std::thread acceptor_;
};

inline void say(int fd, const std::string& text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const ssize_t sent = send(fd, text.data() + at, text.size() - at, MSG_NOSIGNAL);
    if (sent <= 0) return;
    at += static_cast<std::size_t>(sent);
  }
}

// What arrived next, "" at the end.
inline std::string hear(int fd) {
  char bytes[4096];
  const ssize_t got = recv(fd, bytes, sizeof bytes, 0);
  return got > 0 ? std::string(bytes, static_cast<std::size_t>(got)) : "";
}

inline void hear_all(int fd) {
  while (!hear(fd).empty()) {
  }
}

inline void reset(int fd) {
  const linger at_once{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

struct TlsOptions {
  int lowest = TLS1_VERSION, highest = 0;
  std::string ciphers = "ALL:@SECLEVEL=0";
  std::string groups{};
  bool demand_client_certificate = false, want_client_certificate = false;
  Bytes stapled{};
  std::string alpn{};          // the one protocol spoken; refuses others
  std::string refused_name{};  // answered with unrecognized_name
};

class TlsServerContext {
 public:
  TlsServerContext(const std::vector<const pki::test::Made*>& chain, TlsOptions options)
      : options_(std::move(options)), context_(SSL_CTX_new(TLS_server_method()), SSL_CTX_free) {
    SSL_CTX* c = context_.get();
    SSL_CTX_set_security_level(c, 0);
    SSL_CTX_set_min_proto_version(c, options_.lowest);
    SSL_CTX_set_max_proto_version(c, options_.highest);
    REQUIRE(SSL_CTX_set_cipher_list(c, options_.ciphers.c_str()) == 1);
    if (!options_.groups.empty())
      REQUIRE(SSL_CTX_set1_groups_list(c, options_.groups.c_str()) == 1);
    REQUIRE(SSL_CTX_use_certificate(c, chain.front()->x.get()) == 1);
    REQUIRE(SSL_CTX_use_PrivateKey(c, chain.front()->key.get()) == 1);
    for (std::size_t i = 1; i < chain.size(); ++i) SSL_CTX_add1_chain_cert(c, chain[i]->x.get());
    if (options_.demand_client_certificate || options_.want_client_certificate) {
      const int demand = options_.demand_client_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
      SSL_CTX_set_verify(c, SSL_VERIFY_PEER | demand, nullptr);
    }
    SSL_CTX_set_tlsext_status_cb(c, staple);
    SSL_CTX_set_tlsext_status_arg(c, this);
    if (!options_.alpn.empty()) SSL_CTX_set_alpn_select_cb(c, select_alpn, this);
    SSL_CTX_set_tlsext_servername_callback(c, check_name);
    SSL_CTX_set_tlsext_servername_arg(c, this);
  }

  // Shakes hands and reads to the end.
  void serve(int fd) const {
    const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context_.get()), SSL_free);
    SSL_set_fd(ssl.get(), fd);
    if (SSL_accept(ssl.get()) == 1) {
      char bytes[1024];
      while (SSL_read(ssl.get(), bytes, sizeof bytes) > 0) {
      }
      SSL_shutdown(ssl.get());
    }
    ERR_clear_error();
    shutdown(fd, SHUT_WR);
    hear_all(fd);
  }

 private:
  static int staple(SSL* ssl, void* self) {
    const Bytes& bytes = static_cast<TlsServerContext*>(self)->options_.stapled;
    if (bytes.empty()) return SSL_TLSEXT_ERR_NOACK;
    auto* copy = static_cast<unsigned char*>(OPENSSL_memdup(bytes.data(), bytes.size()));
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(bytes.size()));
    return SSL_TLSEXT_ERR_OK;
  }

  static int select_alpn(SSL*, const unsigned char** out, unsigned char* size,
                         const unsigned char* in, unsigned in_size, void* self) {
    const std::string& wanted = static_cast<TlsServerContext*>(self)->options_.alpn;
    for (unsigned at = 0; at < in_size; at += in[at] + 1u) {
      if (std::string(in + at + 1, in + at + 1 + in[at]) != wanted) continue;
      *out = in + at + 1;
      *size = in[at];
      return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }

  static int check_name(SSL* ssl, int* alert, void* self) {
    const std::string& refused = static_cast<TlsServerContext*>(self)->options_.refused_name;
    const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (refused.empty() || name == nullptr || refused != name) return SSL_TLSEXT_ERR_OK;
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }

  TlsOptions options_;
  std::shared_ptr<SSL_CTX> context_;
};

// Judges by rote: whatever chain it sees is this verdict.
class FixedVerifier final : public pki::Verifier {
 public:
  explicit FixedVerifier(ScanState state = ScanState::ok) : state_(state) {}
  pki::Verdict judge(const pki::ChainInput& input) override {
    const std::lock_guard lock(mutex_);
    hosts_.push_back(input.host + (input.ip ? input.ip->to_string() : ""));
    staple_bytes_ = input.stapled_ocsp.size();
    pki::Verdict out;
    out.state = state_;
    out.trusted = state_ == ScanState::ok;
    out.detail = out.trusted ? "" : "as told";
    out.not_after = 4'000'000'000;
    if (input.chain.size() > 1) out.proven_intermediates.push_back(input.chain[1]);
    return out;
  }
  void set_trust(std::shared_ptr<const pki::TrustStore>) override {}
  std::vector<std::string> hosts() {
    const std::lock_guard lock(mutex_);
    return hosts_;
  }
  std::size_t staple_bytes() {
    const std::lock_guard lock(mutex_);
    return staple_bytes_;
  }

 private:
  ScanState state_;
  std::mutex mutex_;
  std::vector<std::string> hosts_;
  std::size_t staple_bytes_ = 0;
};

}  // namespace certline::scanner::test
