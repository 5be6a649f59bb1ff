// The dialogues made of packets: ldap (BER), postgres (one byte) and mysql (length-prefixed). Each
// waits for exactly one packet from the server. A length is checked against the cap before any byte
// of the body is read.

#include <fmt/format.h>

#include <optional>

#include "scanner/starttls.hpp"

namespace certline::scanner {

namespace {

using namespace std::string_view_literals;

std::uint8_t byte_at(std::string_view s, std::size_t i) {
  return static_cast<std::uint8_t>(s[i]);
}

// A definite-length BER element of less than 64 KiB.
struct Element {
  std::uint8_t tag = 0;
  std::string_view body;
  std::size_t size = 0;  // with its header
};

enum class Ber : std::uint8_t { whole, more, broken };

Ber read_element(std::string_view in, Element& out) {
  if (in.size() < 2) return Ber::more;
  std::size_t length = byte_at(in, 1), header = 2;
  if (length >= 0x80) {
    const std::size_t count = length & 0x7f;
    if (count == 0 || count > 4) return Ber::broken;
    if (in.size() < 2 + count) return Ber::more;
    length = 0;
    for (std::size_t i = 0; i < count; ++i) length = length << 8 | byte_at(in, 2 + i);
    header += count;
  }
  if (length > kStarttlsLineBytes) return Ber::broken;
  if (in.size() - header < length) return Ber::more;
  out = {byte_at(in, 0), in.substr(header, length), header + length};
  return Ber::whole;
}

// The next element of a body that is all there.
std::optional<Element> next_element(std::string_view& in, std::uint8_t tag) {
  Element element;
  if (read_element(in, element) != Ber::whole || element.tag != tag) return std::nullopt;
  in.remove_prefix(element.size);
  return element;
}

class LdapDialogue final : public StarttlsDialogue {
 public:
  StarttlsStep start() override {
    // LDAPMessage { messageID 1, ExtendedRequest { requestName 1.3.6.1.4.1.1466.20037 } }
    return starttls_read(
        "\x30\x1d\x02\x01\x01\x77\x18\x80\x16"
        "1.3.6.1.4.1.1466.20037");
  }

 protected:
  StarttlsStep consume(std::string_view bytes) override {
    buffer_ += bytes;
    Element message;
    if (byte_at(buffer_, 0) != 0x30) return starttls_broken("not an LDAP message", buffer_);
    switch (read_element(buffer_, message)) {
      case Ber::more:
        return starttls_read();
      case Ber::broken:
        return starttls_broken("a malformed LDAP message", buffer_);
      case Ber::whole:
        break;
    }
    StarttlsStep step = judge(message.body);
    if (step.next == StarttlsStep::Next::start_tls && buffer_.size() > message.size) {
      return starttls_injection(std::string_view(buffer_).substr(message.size));
    }
    return step;
  }

 private:
  static StarttlsStep judge(std::string_view body) {
    constexpr std::uint8_t kInteger = 0x02, kOctets = 0x04, kEnumerated = 0x0a, kResponse = 0x78;
    const auto id = next_element(body, kInteger);
    auto response = id ? next_element(body, kResponse) : std::nullopt;
    if (!response || id->body.size() != 1) return starttls_broken("not an ExtendedResponse");
    const auto code = next_element(response->body, kEnumerated);
    const auto matched = code ? next_element(response->body, kOctets) : std::nullopt;
    const auto text = matched ? next_element(response->body, kOctets) : std::nullopt;
    if (!text || code->body.size() != 1) return starttls_broken("a malformed ExtendedResponse");
    const int result = byte_at(code->body, 0);
    const std::string what = fmt::format("LDAP result {}", result);
    if (byte_at(id->body, 0) == 0) return starttls_refused("notice of disconnection", text->body);
    if (byte_at(id->body, 0) != 1) return starttls_broken("a reply to nothing");
    if (result == 0) return starttls_go();
    constexpr int kProtocolError = 2;  // the extension is not known (RFC 4511 4.12)
    return result == kProtocolError ? starttls_not_offered(what, text->body)
                                    : starttls_refused(what, text->body);
  }

  std::string buffer_;
};

class PostgresDialogue final : public StarttlsDialogue {
 public:
  StarttlsStep start() override {
    return starttls_read(std::string("\0\0\0\x08\x04\xd2\x16\x2f"sv));
  }

 protected:
  StarttlsStep consume(std::string_view bytes) override {
    switch (bytes[0]) {
      case 'S':
        return bytes.size() == 1 ? starttls_go() : starttls_injection(bytes.substr(1));
      case 'N':
        return starttls_not_offered("the server answers N to SSLRequest");
      case 'E':
        return starttls_refused("the server answers SSLRequest with an error", bytes.substr(1));
      default:
        return starttls_broken("none of S, N and E", bytes);
    }
  }
};

class MysqlDialogue final : public StarttlsDialogue {
 public:
  StarttlsStep start() override { return starttls_read(); }

 protected:
  StarttlsStep consume(std::string_view bytes) override {
    constexpr std::size_t kHeader = 4;  // length, little-endian, 3 bytes; sequence number
    buffer_ += bytes;
    if (buffer_.size() < kHeader) return starttls_read();
    const std::size_t length = byte_at(buffer_, 0) |
                               static_cast<std::size_t>(byte_at(buffer_, 1)) << 8 |
                               static_cast<std::size_t>(byte_at(buffer_, 2)) << 16;
    if (length == 0 || length > kStarttlsLineBytes || byte_at(buffer_, 3) != 0) {
      return starttls_broken("not a MySQL greeting", buffer_);
    }
    if (buffer_.size() < kHeader + length) return starttls_read();
    StarttlsStep step = judge(std::string_view(buffer_).substr(kHeader, length));
    if (step.next == StarttlsStep::Next::start_tls && buffer_.size() > kHeader + length) {
      return starttls_injection(std::string_view(buffer_).substr(kHeader + length));
    }
    return step;
  }

 private:
  static StarttlsStep judge(std::string_view greeting) {
    constexpr std::uint8_t kVersion = 0x0a, kErrorPacket = 0xff;
    constexpr unsigned kClientSsl = 0x0800;
    if (byte_at(greeting, 0) == kErrorPacket) {
      return starttls_refused("the greeting refuses service",
                              greeting.substr(std::min<std::size_t>(3, greeting.size())));
    }
    if (byte_at(greeting, 0) != kVersion)
      return starttls_broken("not protocol version 10", greeting);
    const std::size_t end_of_version = greeting.find('\0', 1);
    // Behind it: thread id (4), scramble (8), filler (1), capabilities (2).
    if (end_of_version == std::string_view::npos || greeting.size() < end_of_version + 16) {
      return starttls_broken("a MySQL greeting that is too short", greeting);
    }
    const std::size_t at = end_of_version + 14;
    const unsigned capabilities = byte_at(greeting, at) | byte_at(greeting, at + 1) << 8u;
    if ((capabilities & kClientSsl) == 0) {
      return starttls_not_offered("the greeting does not list CLIENT_SSL");
    }
    return starttls_go(ssl_request());
  }

  static std::string ssl_request() {
    // CLIENT_PROTOCOL_41 | CLIENT_SSL | CLIENT_SECURE_CONNECTION, 16 MiB packets, utf8, 23 zeros.
    std::string out("\x20\0\0\x01\0\x8a\0\0\0\0\0\x01\x21"sv);
    out.append(23, '\0');
    return out;
  }

  std::string buffer_;
};

}  // namespace

std::unique_ptr<StarttlsDialogue> packet_dialogue(Starttls p) {
  switch (p) {
    case Starttls::ldap:
      return std::make_unique<LdapDialogue>();
    case Starttls::postgres:
      return std::make_unique<PostgresDialogue>();
    case Starttls::mysql:
      return std::make_unique<MysqlDialogue>();
    default:
      return nullptr;
  }
}

}  // namespace certline::scanner
