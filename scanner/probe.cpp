// OpenSSL works directly on the non-blocking descriptor and this coroutine waits for it. Asio's SSL
// stream is not used, for three reasons: an abandoned handshake leaves nothing to wait for, a
// server's first bytes can be examined before OpenSSL takes them, and a probe needs no extra
// buffers. Next: starttls.cpp, tls_context.cpp; pki/verifier.cpp judges the chain.

#include "scanner/probe.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <optional>

#include "pki/openssl_handles.hpp"
#include "scanner/deadline.hpp"
#include "scanner/starttls.hpp"
#include "scanner/tls_context.hpp"

namespace certline::scanner {

namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;
using boost::system::error_code;
constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable);

struct Failure {
  ScanState state = ScanState::ok;
  std::string detail;
  bool failed() const { return state != ScanState::ok; }
};

constexpr const char* kEndedInHandshake = "the server ended the connection in the handshake";
constexpr const char* kEndedBeforeTls = "the server ended the connection before TLS";

struct SocketError {
  int number;
  ScanState state;
  const char* what;
};

constexpr std::array kSocketErrors{
    SocketError{ECONNREFUSED, ScanState::refused, "connection refused"},
    SocketError{ETIMEDOUT, ScanState::timeout, "no answer to connect"},
    SocketError{EHOSTUNREACH, ScanState::unreachable, "host unreachable"},
    SocketError{ENETUNREACH, ScanState::unreachable, "network unreachable from here"},
    SocketError{EADDRNOTAVAIL, ScanState::unreachable, "no local address to connect from"},
    SocketError{EAFNOSUPPORT, ScanState::unreachable, "no such address family here"},
    SocketError{EACCES, ScanState::unreachable, "forbidden by the local system"},
    SocketError{EPERM, ScanState::unreachable, "forbidden by the local system"},
    SocketError{EMFILE, ScanState::unreachable, "out of file descriptors here"},
    SocketError{ENFILE, ScanState::unreachable, "out of file descriptors here"},
};

Failure connect_failure(const error_code& error) {
  for (const SocketError& row : kSocketErrors) {
    if (error.value() == row.number) return {row.state, row.what};
  }
  return {ScanState::unreachable, "connect failed: " + quoted(error.message(), 80)};
}

struct Alert {
  int number;
  const char* name;
  bool about_client_certificate;
};

// RFC 8446 6 and the retired ones.
constexpr std::array kAlerts{
    Alert{0, "close_notify", false},
    Alert{10, "unexpected_message", false},
    Alert{20, "bad_record_mac", false},
    Alert{22, "record_overflow", false},
    Alert{40, "handshake_failure", true},
    Alert{41, "no_certificate", true},
    Alert{42, "bad_certificate", true},
    Alert{43, "unsupported_certificate", true},
    Alert{44, "certificate_revoked", false},
    Alert{45, "certificate_expired", false},
    Alert{46, "certificate_unknown", true},
    Alert{47, "illegal_parameter", false},
    Alert{48, "unknown_ca", false},
    Alert{49, "access_denied", true},
    Alert{50, "decode_error", true},  // what GnuTLS says to an empty certificate list
    Alert{51, "decrypt_error", false},
    Alert{70, "protocol_version", false},
    Alert{71, "insufficient_security", false},
    Alert{80, "internal_error", false},
    Alert{86, "inappropriate_fallback", false},
    Alert{90, "user_canceled", false},
    Alert{109, "missing_extension", false},
    Alert{110, "unsupported_extension", false},
    Alert{112, "unrecognized_name", false},
    Alert{113, "bad_certificate_status_response", false},
    Alert{115, "unknown_psk_identity", false},
    Alert{116, "certificate_required", true},
    Alert{120, "no_application_protocol", false},
};
constexpr int kUnrecognizedName = 112, kNoApplicationProtocol = 120;

std::string alert_name(int number) {
  for (const Alert& a : kAlerts) {
    if (a.number == number) return a.name;
  }
  return fmt::format("number {}", number);
}

bool about_client_certificate(int number) {
  return std::any_of(kAlerts.begin(), kAlerts.end(), [&](const Alert& a) {
    return a.number == number && a.about_client_certificate;
  });
}

tcp::endpoint endpoint_of(const IpAddress& a, std::uint16_t port) {
  if (a.is_v4()) {
    asio::ip::address_v4::bytes_type v4;
    std::copy(a.bytes.begin() + 12, a.bytes.end(), v4.begin());
    return {asio::ip::address_v4(v4), port};
  }
  return {asio::ip::address_v6(a.bytes), port};
}

// One connection. `deadline` ends its socket.
class ProbeConnection {
 public:
  ProbeConnection(const ProbeTarget& target, SSL_CTX* context, Deadline& deadline,
                  const asio::any_io_executor& executor)
      : target_(target), context_(context), deadline_(deadline), socket_(executor) {}
  ~ProbeConnection() { deadline_.attach(nullptr); }
  ProbeConnection(const ProbeConnection&) = delete;
  ProbeConnection& operator=(const ProbeConnection&) = delete;

  awaitable<Failure> run(HandshakeOptions options) {
    options_ = std::move(options);
    Failure failure = co_await connect();
    if (!failure.failed() && target_.starttls != Starttls::none) failure = co_await starttls();
    if (failure.failed()) co_return failure;
    ssl_ = make_client_ssl(context_, socket_.native_handle(), options_, handshake_);
    in_tls_ = true;
    failure = co_await handshake();
    if (!failure.failed()) co_await end_handshake();
    co_return failure;
  }

  const HandshakeFacts& handshake_facts() const { return handshake_; }
  bool in_tls() const { return in_tls_; }
  bool worth_a_retry() const { return in_tls_ && saw_end_ && handshake_.chain.empty(); }

  void fill(ProbeFacts& facts, const Failure& failure) {
    facts.failure = failure.state;
    facts.detail = failure.detail;
    facts.chain = std::move(handshake_.chain);
    facts.leaf = std::move(handshake_.leaf);
    facts.client_certificate_required =
        handshake_.certificate_requested && (insisted_ || refused_without_certificate(failure));
    if (ssl_ == nullptr || (facts.chain.empty() && failure.failed())) return;
    fill_parameters(facts);
  }

 private:
  // All waiting for the socket is here: nothing is waited for once the deadline has passed.
  awaitable<Failure> wait(tcp::socket::wait_type what, const char* doing,
                          const Deadline* also = nullptr) {
    if (passed(also)) co_return timed_out(doing);
    const auto [error] = co_await socket_.async_wait(what, kNoThrow);
    if (passed(also)) co_return timed_out(doing);
    if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
    if (error) co_return Failure{ScanState::tls_error, "waiting for the socket failed"};
    co_return Failure{};
  }

  bool passed(const Deadline* also) const {
    return deadline_.passed() || (also != nullptr && also->passed());
  }

  static Failure timed_out(const char* doing) {
    return {ScanState::timeout, fmt::format("the deadline passed while {}", doing)};
  }

  Failure ended_early() const {
    if (target_.starttls == Starttls::none) return {ScanState::tls_error, kEndedInHandshake};
    return {ScanState::starttls_protocol_error, kEndedBeforeTls};
  }

  awaitable<Failure> connect() {
    const tcp::endpoint to = endpoint_of(target_.address, target_.port);
    error_code error;
    socket_.open(to.protocol(), error);
    if (error) co_return connect_failure(error);
    socket_.set_option(tcp::no_delay(true), error);
    deadline_.attach(&socket_);
    std::tie(error) = co_await socket_.async_connect(to, kNoThrow);
    if (deadline_.passed()) co_return timed_out("connecting");
    if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
    // Made and reset, before this thread looked: the same as a reset that the first read meets.
    if (error.value() == ECONNRESET || error.value() == EPIPE) co_return ended_early();
    if (error) co_return connect_failure(error);
    socket_.non_blocking(true, error);
    if (error) co_return connect_failure(error);
    co_return Failure{};
  }

  awaitable<Failure> starttls() {
    constexpr const char* kDoing = "waiting for the go-ahead of STARTTLS";
    const auto dialogue =
        StarttlsDialogue::create(target_.starttls, target_.host, target_.ehlo_name);
    StarttlsStep step = dialogue->start();
    for (;;) {
      if (step.next == StarttlsStep::Next::fail) co_return Failure{step.state, step.detail};
      if (Failure f = co_await send(step.send); f.failed()) co_return f;
      if (step.next == StarttlsStep::Next::start_tls) break;
      if (Failure f = co_await wait(tcp::socket::wait_read, kDoing); f.failed()) co_return f;
      std::array<std::uint8_t, 2048> bytes;
      error_code error;
      const std::size_t got = socket_.read_some(asio::buffer(bytes), error);
      if (error == asio::error::would_block || error == asio::error::try_again) {
        step = starttls_read();
      } else if (error) {
        step = dialogue->closed();
      } else {
        step = dialogue->receive({bytes.data(), got});
      }
    }
    // Bytes that are already here cannot answer a ClientHello that was not sent yet.
    std::array<char, 64> glued;
    const std::size_t got = peek(glued.data(), glued.size());
    if (got == 0) co_return Failure{};
    StarttlsStep injection = starttls_injection({glued.data(), got});
    co_return Failure{injection.state, std::move(injection.detail)};
  }

  awaitable<Failure> send(const std::string& bytes) {
    if (bytes.empty()) co_return Failure{};
    if (deadline_.passed()) co_return timed_out("sending");
    const auto [error, sent] = co_await asio::async_write(socket_, asio::buffer(bytes), kNoThrow);
    if (deadline_.passed()) co_return timed_out("sending");
    if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
    if (error) {
      co_return Failure{ScanState::starttls_protocol_error, kEndedBeforeTls};
    }
    co_return Failure{};
  }

  std::size_t peek(char* out, std::size_t size) {
    const ssize_t got = ::recv(socket_.native_handle(), out, size, MSG_PEEK | MSG_DONTWAIT);
    return got > 0 ? static_cast<std::size_t>(got) : 0;
  }

  awaitable<Failure> handshake() {
    bool first_bytes = true;
    for (;;) {
      // The first turn only sends: what a server says at once must be seen before OpenSSL takes it.
      handshake_.turn_bytes = first_bytes ? kTurnBytes : 0;
      handshake_.turn_reads = 0;
      ERR_clear_error();
      const int done = SSL_connect(ssl_.get());
      if (done == 1) co_return Failure{};
      const int wanted = SSL_get_error(ssl_.get(), done);
      if (wanted != SSL_ERROR_WANT_READ && wanted != SSL_ERROR_WANT_WRITE) {
        co_return handshake_failure(wanted);
      }
      const bool to_read = wanted == SSL_ERROR_WANT_READ;
      const auto what = to_read ? tcp::socket::wait_read : tcp::socket::wait_write;
      if (Failure f = co_await wait(what, "shaking hands"); f.failed()) co_return f;
      if (to_read && first_bytes && !wait_for_second_byte()) {
        first_bytes = false;
        if (Failure f = look_at_first_bytes(); f.failed()) co_return f;
      }
    }
  }

  // One byte that has come alone doesn't tell TLS from anything else.
  bool wait_for_second_byte() {
    std::array<char, 2> bytes;
    const bool alone = peek(bytes.data(), bytes.size()) == 1;
    if (alone == waits_for_second_byte_) return false;
    waits_for_second_byte_ = alone;
    error_code ignored;
    socket_.set_option(asio::socket_base::receive_low_watermark(alone ? 2 : 1), ignored);
    return alone;
  }

  // A server that speaks TLS begins with a handshake or an alert record. Some send alerts with
  // version 0.
  Failure look_at_first_bytes() {
    constexpr char kAlertRecord = 0x15, kHandshakeRecord = 0x16;
    std::array<char, 64> bytes;
    const std::size_t got = peek(bytes.data(), bytes.size());
    if (got == 0) return {};
    if (bytes[0] == kAlertRecord) {
      if (got >= 7 && bytes[3] == 0 && bytes[4] == 2)
        first_alert_ = static_cast<std::uint8_t>(bytes[6]);
      return {};
    }
    if (bytes[0] == kHandshakeRecord && (got == 1 || bytes[1] == 3)) return {};
    return {ScanState::not_tls, "the server answers " + quoted({bytes.data(), got}, 40)};
  }

  Failure handshake_failure(int wanted) {
    const unsigned long code = ERR_peek_error();
    const char* reason = ERR_reason_error_string(code);
    std::string why = reason != nullptr ? reason : "unknown reason";
    pki::drain_openssl_errors();
    if (handshake_.fatal_alert < 0 && first_alert_) handshake_.fatal_alert = *first_alert_;
    if (handshake_.too_much) {
      return {ScanState::tls_error, fmt::format("more than {} bytes or {} pieces in a handshake",
                                                kProbeReadBytes, kProbeReads)};
    }
    saw_end_ = true;
    if (handshake_.fatal_alert >= 0) {
      return {ScanState::tls_error, "alert " + alert_name(handshake_.fatal_alert)};
    }
    const bool ended = wanted == SSL_ERROR_SYSCALL || wanted == SSL_ERROR_ZERO_RETURN || code == 0;
    if (ended) return {ScanState::tls_error, kEndedInHandshake};
    saw_end_ = false;
    return {ScanState::tls_error, "TLS failed: " + quoted(why, 100)};
  }

  // In TLS 1.3 the client is done before the server has looked at its certificate. Where one was
  // asked for, listen for a moment whether the server can live without; longer where it is slow.
  awaitable<void> end_handshake() {
    using std::chrono::milliseconds;
    constexpr milliseconds kListen{1000};
    SSL_shutdown(ssl_.get());
    if (!handshake_.certificate_requested || SSL_version(ssl_.get()) != TLS1_3_VERSION) {
      pki::drain_openssl_errors();
      co_return;
    }
    const auto left =
        std::chrono::duration_cast<milliseconds>(deadline_.at() - std::chrono::steady_clock::now());
    const milliseconds so_far = target_.timeout - left;
    Deadline listen(socket_.get_executor(), std::min(std::max(kListen, so_far), left));
    listen.attach(&socket_);
    for (;;) {
      handshake_.turn_bytes = 0;
      handshake_.turn_reads = 0;
      std::array<char, 1024> ignored;
      ERR_clear_error();
      const int got = SSL_read(ssl_.get(), ignored.data(), static_cast<int>(ignored.size()));
      const int wanted = got > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), got);
      if (handshake_.fatal_alert >= 0 || listen.passed()) break;
      if (got <= 0 && wanted != SSL_ERROR_WANT_READ) break;
      if (got > 0) continue;
      const Failure f = co_await wait(tcp::socket::wait_read, "listening for an alert", &listen);
      if (f.failed()) break;
    }
    pki::drain_openssl_errors();
    insisted_ = about_client_certificate(handshake_.fatal_alert);
  }

  bool refused_without_certificate(const Failure& failure) const {
    if (failure.state != ScanState::tls_error || !saw_end_) return false;
    return handshake_.fatal_alert < 0 || about_client_certificate(handshake_.fatal_alert);
  }

  void fill_parameters(ProbeFacts& facts) {
    SSL* ssl = ssl_.get();
    const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
    if (cipher == nullptr) cipher = SSL_get_pending_cipher(ssl);
    facts.protocol = SSL_get_version(ssl);
    if (cipher != nullptr) facts.cipher = SSL_CIPHER_get_name(cipher);
    const unsigned char* text = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl, &text, &size);
    if (size > 0) facts.alpn.assign(text, text + size);
    const bool exchanges_keys = cipher != nullptr && SSL_CIPHER_get_kx_nid(cipher) != NID_kx_rsa;
    if (const auto group = exchanges_keys ? static_cast<int>(SSL_get_negotiated_group(ssl)) : 0;
        group != 0) {
      const char* name = SSL_group_to_name(ssl, group);
      if (name != nullptr) facts.group = ascii_lower(name);
    }
    const unsigned char* staple = nullptr;
    const long staple_size = SSL_get_tlsext_status_ocsp_resp(ssl, &staple);
    if (staple != nullptr && staple_size > 0)
      facts.stapled_ocsp.assign(staple, staple + staple_size);
    pki::drain_openssl_errors();
  }

  const ProbeTarget& target_;
  SSL_CTX* context_;
  Deadline& deadline_;
  HandshakeOptions options_;
  HandshakeFacts handshake_;
  tcp::socket socket_;
  SslHandle ssl_;  // goes before the socket it works on
  std::optional<int> first_alert_;
  bool in_tls_ = false, saw_end_ = false, insisted_ = false, waits_for_second_byte_ = false;
};

// What to try instead, by what the server said: a name or protocol it does not know is left out,
// anything else may be a server that cannot bear TLS 1.3.
HandshakeOptions other_options(HandshakeOptions options, int alert) {
  if (alert == kUnrecognizedName && !options.server_name.empty()) {
    options.server_name.clear();
  } else if (alert == kNoApplicationProtocol && options.offer_alpn) {
    options.offer_alpn = false;
  } else {
    options.max_version = TLS1_2_VERSION;
  }
  return options;
}

}  // namespace

// GCC 12 does not recognise Asio's frame allocator once this coroutine is inlined (a false alarm).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
awaitable<ProbeFacts> probe(ProbeTarget target, SSL_CTX* context) {
  const auto executor = co_await asio::this_coro::executor;
  const auto started = std::chrono::steady_clock::now();
  Deadline deadline(executor, target.timeout);
  ProbeFacts facts;
  HandshakeOptions options;
  if (!IpAddress::parse(target.host)) options.server_name = target.host;
  options.offer_alpn = target.starttls == Starttls::none;
  bool again = false;
  {
    ProbeConnection first(target, context, deadline, executor);
    const Failure failure = co_await first.run(options);
    again = failure.failed() && first.worth_a_retry();
    options = other_options(std::move(options), first.handshake_facts().fatal_alert);
    first.fill(facts, failure);
  }
  if (again) {
    ProbeConnection second(target, context, deadline, executor);
    const Failure failure = co_await second.run(std::move(options));
    // Where neither brought a certificate, the first try tells more.
    if (!failure.failed() || !second.handshake_facts().chain.empty()) second.fill(facts, failure);
  }
  facts.elapsed_ms =
      static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                     std::chrono::steady_clock::now() - started)
                                     .count());
  co_return facts;
}

#pragma GCC diagnostic pop

Judged judge_probe(const ProbeTarget& target, ProbeFacts facts, pki::Verifier& verifier,
                   UtcTime now) {
  Judged out;
  AddressObservation& row = out.row;
  row.address = target.address;
  row.state = facts.failure;
  row.detail = std::move(facts.detail);
  row.protocol = std::move(facts.protocol);
  row.cipher = std::move(facts.cipher);
  row.alpn = facts.alpn.empty() ? "" : quoted(facts.alpn, 32);
  if (row.alpn.size() >= 2) row.alpn = row.alpn.substr(1, row.alpn.size() - 2);
  row.group = std::move(facts.group);
  row.elapsed_ms = facts.elapsed_ms;
  row.chain = std::move(facts.chain);
  if (row.chain.empty()) {
    if (row.state == ScanState::ok) {  // a handshake without certificate proves nothing
      row.state = ScanState::tls_error;
      row.detail = "the server showed no certificate";
    }
    return out;
  }
  pki::ChainInput input;
  input.chain = row.chain;
  input.ip = IpAddress::parse(target.host);
  if (!input.ip) input.host = target.host;
  input.now = now;
  input.stapled_ocsp = facts.stapled_ocsp;
  input.parsed_leaf = facts.leaf.get();
  pki::Verdict verdict = verifier.judge(input);
  row.not_before = verdict.not_before;
  row.not_after = verdict.not_after;
  row.trusted = verdict.trusted;
  out.proven_intermediates = std::move(verdict.proven_intermediates);
  if (verdict.state != ScanState::ok) {
    row.state = verdict.state;
    row.detail = std::move(verdict.detail);
  } else if (facts.client_certificate_required) {
    row.state = ScanState::client_certificate_required;
    row.detail = "the server demands a client certificate";
  } else if (row.state == ScanState::ok) {
    row.detail = std::move(verdict.detail);
  }
  return out;
}

}  // namespace certline::scanner
