#pragma once
// The daemon's own certificate chain and key, as its TLS listeners use them.

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/server/tls_session.hpp"
#include "protocol/error.hpp"
#include "protocol/values.hpp"

struct ssl_ctx_st;

namespace certline::server {

// Immutable, so thread-safe. Sessions keep what they need of it.
class TlsIdentity {
 public:
  // PEM files: the chain, leaf first, and its key. Errors (invalid_value), one line: a file cannot
  // be read or used, they don't belong together, the certificate's dates or names are unreadable.
  static Result<std::shared_ptr<const TlsIdentity>> load(const std::string& certificate,
                                                         const std::string& key);

  // Null where memory is short.
  std::unique_ptr<TlsSession> session(int descriptor, TlsSession::Alpn alpn) const;

  const std::vector<std::string>& names() const { return names_; }  // DNS names, addresses
  UtcTime not_after() const { return not_after_; }
  const Sha256& sha256() const { return sha256_; }

 private:
  TlsIdentity() = default;
  Result<void> read_leaf(const std::string& file);

  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };
  std::unique_ptr<ssl_ctx_st, Free> context_;
  std::vector<std::string> names_;
  UtcTime not_after_ = 0;
  Sha256 sha256_{};
};
using TlsIdentityPtr = std::shared_ptr<const TlsIdentity>;

// The two files, and whether they have changed since they were last taken.
class TlsFiles {
 public:
  TlsFiles(std::string certificate, std::string key)
      : certificate_(std::move(certificate)), key_(std::move(key)) {}

  // Loads them as they are now. Errors as of TlsIdentity::load(); the same files are not tried
  // again by changed().
  Result<TlsIdentityPtr> load();
  // For a look every few seconds: true once they differ from what load() took, and have been left
  // alone since the look before, so that a pair is not read while it is written.
  bool changed();
  bool same_paths(const std::string& certificate, const std::string& key) const {
    return certificate == certificate_ && key == key_;
  }

 private:
  struct Stamp {
    std::uint64_t device = 0, inode = 0;
    std::int64_t size = -1, seconds = 0, nanoseconds = 0;
    bool operator==(const Stamp&) const = default;
  };
  struct Stamps {
    Stamp certificate, key;
    bool operator==(const Stamps&) const = default;
  };
  static Stamp stamp_of(const std::string& file);
  Stamps stamps() const { return {stamp_of(certificate_), stamp_of(key_)}; }

  std::string certificate_, key_;
  Stamps taken_, last_seen_;
};

}  // namespace certline::server
