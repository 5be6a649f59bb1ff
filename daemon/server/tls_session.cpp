// One record for each read, and nothing is read ahead. The rest stays in the kernel, which reports
// it. So a client that floods with key updates or empty records waits for its turn like any other.
#include "daemon/server/tls_session.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace certline::server {
namespace {

// Key updates (RFC 8446 4.6.3) without any data in between; nobody needs two.
constexpr unsigned kMessagesInARow = 16;

void on_message(int is_write, int, int content_type, const void*, std::size_t, SSL*,
                void* session) {
  if (is_write == 0 && content_type == SSL3_RT_HANDSHAKE) {
    static_cast<TlsSession*>(session)->count_message();
  }
}

std::string why() {
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  return reason != nullptr ? reason : "the connection was closed";
}

}  // namespace

void TlsSession::Free::operator()(ssl_st* ssl) const {
  SSL_free(ssl);
}

TlsSession::TlsSession(ssl_st* owned, Alpn alpn) : ssl_(owned), alpn_(alpn) {
  SSL_set_app_data(owned, this);
  SSL_set_msg_callback(owned, on_message);
  SSL_set_msg_callback_arg(owned, this);
}

TlsSession::~TlsSession() = default;

TlsSession::Step TlsSession::handshake() {
  ERR_clear_error();
  const int done = SSL_accept(ssl_.get());
  if (done == 1) {
    ready_ = true;
    messages_in_a_row_ = 0;
    return Step::done;
  }
  const int error = SSL_get_error(ssl_.get(), done);
  if (error == SSL_ERROR_WANT_READ) return Step::wants_read;
  if (error == SSL_ERROR_WANT_WRITE) return Step::wants_write;
  failure_ = why();
  (void)failed();
  return Step::failed;
}

Moved TlsSession::failed() {
  broken_ = true;
  ERR_clear_error();
  return {Outcome::failed, 0};
}

Moved TlsSession::read(std::span<char> into) {
  if (broken_) return {};
  ERR_clear_error();
  read_waits_to_write_ = false;
  std::size_t got = 0;
  const int done = SSL_read_ex(ssl_.get(), into.data(), into.size(), &got);
  if (done == 1) {
    messages_in_a_row_ = 0;
    return {Outcome::done, got};
  }
  if (messages_in_a_row_ > kMessagesInARow) return failed();
  const int error = SSL_get_error(ssl_.get(), done);
  if (error == SSL_ERROR_ZERO_RETURN) return {Outcome::end, 0};
  // A stream that ends without close_notify may have been cut by somebody in between: no end, a
  // failure.
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return failed();
  read_waits_to_write_ = error == SSL_ERROR_WANT_WRITE;
  return {Outcome::would_block, 0};
}

Moved TlsSession::write(std::string_view bytes) {
  if (broken_) return {};
  ERR_clear_error();
  std::size_t sent = 0;
  const int done = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &sent);
  if (done == 1) return {Outcome::done, sent};
  if (SSL_get_error(ssl_.get(), done) != SSL_ERROR_WANT_WRITE) return failed();
  return {Outcome::would_block, 0};
}

void TlsSession::end_writing() {
  if (!ready_ || broken_ || ended_) return;
  ended_ = true;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

}  // namespace certline::server
