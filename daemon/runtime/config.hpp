#pragma once
// The configuration, a TOML file. Every value has a usable default, so an empty file works. It does
// not change once loaded; a reload makes a new one (settings.hpp).

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/runtime/channel_config.hpp"
#include "daemon/runtime/log.hpp"
#include "protocol/account_values.hpp"
#include "protocol/domain.hpp"
#include "protocol/limits.hpp"
#include "scanner/scanner_settings.hpp"

namespace certline::runtime {

inline constexpr const char* kDefaultSocket = "/run/certline/line.sock";

enum class Registration : std::uint8_t { open, claim, closed };
enum class Verification : std::uint8_t { off, email };

struct ListenAddress {
  IpAddress address;
  std::uint16_t port = kLinePort;
  std::string to_string() const;  // "127.0.0.1:10023", "[::1]:10023"
  bool operator==(const ListenAddress&) const = default;
};

enum class MailTls : std::uint8_t { required, opportunistic, off };

struct Config {
  Registration registration = Registration::open;
  struct {
    std::string path = "/var/lib/certline";
    std::uint64_t map_size = 16ull << 30;  // bytes, sparse
  } store;
  struct {
    std::vector<ListenAddress> listen{{IpAddress::v4(0x7f000001), kLinePort}};
    LineLimits limits;
    unsigned threads = 0;                          // 0: one for two cores, at most 4
    std::uint32_t remembered_answers = 1'310'720;  // some 190 bytes each, as far as there are
    std::vector<ListenAddress> listen_tls{{IpAddress::v4(0x7f000001), kLineTlsPort}};
    // Empty: none. The default one is left out where its directory doesn't exist.
    std::string socket = kDefaultSocket;
  } line;
  struct {
    std::vector<ListenAddress> listen{{IpAddress::v4(0x7f000001), kHttpPort}};  // empty: off
    std::vector<ListenAddress> listen_tls{{IpAddress::v4(0x7f000001), kHttpsPort}};
    HttpLimits limits;
    std::string public_url;  // of links in mails, without a slash at the end; empty: no links
  } http;
  struct {
    std::string certificate, key;  // PEM files; both or neither: then nothing listens with TLS
    HandshakeLimits handshakes;
    bool on() const { return !certificate.empty(); }
  } tls;
  RateLimits rates;
  AccountLimits accounts;
  Verification verification = Verification::off;
  struct {
    std::string address;  // the operator's, for what concerns the daemon itself; may be empty
    Digest digest = Digest::off;   // of accounts that didn't choose
    std::uint32_t gather_s = 120;  // hosts in the same trouble within it are one message
  } notify;
  struct {
    std::string server;  // "host:port"; empty: no mail leaves
    MailTls tls = MailTls::required;
    bool tls_at_once = false;  // TLS from the first byte instead of STARTTLS
    std::string user, password_file, from, trust_file;
  } smtp;
  std::vector<ChannelConfig> channels;
  struct {
    std::vector<scanner::Network> allow;
    bool special_names = false;
    std::vector<scanner::Resolver> resolvers;
    std::string trust_file;  // empty: the system's
    std::uint32_t timeout_ms = 10'000;
    std::uint32_t dns_timeout_ms = 5'000;
    std::uint32_t concurrency = 512;  // names scanned at once
    unsigned threads = 0;             // 0: one per core
    std::uint32_t per_address = 4;
  } scanner;
  struct {
    LogLevel level = LogLevel::info;
  } log;

  std::string trust_file() const;  // the system's where none is set
  DomainRules domain_rules() const { return {scanner.special_names}; }
  scanner::ScannerSettings scanner_settings() const;
};

// Errors (invalid_value): one line "FILE:LINE: KEY: what is wrong and what to write instead".
Result<Config> parse_config(std::string_view toml, const std::string& file_name);
Result<Config> load_config(const std::string& file);

inline constexpr const char* kDefaultConfigFile = "/etc/certline/certlined.toml";

// "address:port", "[v6]:port"
Result<ListenAddress> parse_listen_address(std::string_view text, bool port_zero_allowed);

}  // namespace certline::runtime
