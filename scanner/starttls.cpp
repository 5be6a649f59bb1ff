// What all dialogues share: the byte budget, an outcome that stays once it is set, and the words
// for failures. Next: the dialogues themselves, in starttls_lines.cpp, starttls_packets.cpp and
// starttls_xmpp.cpp.

#include "scanner/starttls.hpp"

#include <fmt/format.h>

#include "protocol/error.hpp"
#include "protocol/text_limits.hpp"

namespace certline::scanner {

StarttlsStep starttls_read(std::string send) {
  return {StarttlsStep::Next::read, std::move(send), ScanState::pending, {}};
}

StarttlsStep starttls_go(std::string send) {
  return {StarttlsStep::Next::start_tls, std::move(send), ScanState::pending, {}};
}

StarttlsStep starttls_fail(ScanState state, std::string_view what, std::string_view quote) {
  constexpr std::size_t kQuoted = 100, kMost = 200;
  std::string detail(what);
  if (!quote.empty()) detail += ": " + quoted(quote, kQuoted);
  return {StarttlsStep::Next::fail, {}, state, shortened(std::move(detail), kMost)};
}

StarttlsStep starttls_injection(std::string_view glued) {
  return starttls_fail(ScanState::injection_suspected,
                       fmt::format("{} bytes in clear behind the go-ahead", glued.size()), glued);
}

StarttlsStep StarttlsDialogue::receive(std::span<const std::uint8_t> bytes) {
  if (outcome_.next != StarttlsStep::Next::read) return outcome_;
  received_ += bytes.size();
  StarttlsStep step;
  if (received_ > kStarttlsTotalBytes) {
    step = starttls_broken(fmt::format("more than {} bytes before TLS", kStarttlsTotalBytes));
  } else if (!bytes.empty()) {
    step = consume({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  if (step.next != StarttlsStep::Next::read) {
    outcome_ = step;
    outcome_.send.clear();
  }
  return step;
}

StarttlsStep StarttlsDialogue::closed() {
  if (outcome_.next == StarttlsStep::Next::read) {
    outcome_ = starttls_broken("the server ended the connection before TLS");
  }
  return outcome_;
}

std::unique_ptr<StarttlsDialogue> StarttlsDialogue::create(Starttls p, std::string host,
                                                           std::string own_name) {
  switch (p) {
    case Starttls::ldap:
    case Starttls::postgres:
    case Starttls::mysql:
      return packet_dialogue(p);
    case Starttls::xmpp_client:
    case Starttls::xmpp_server:
      return xmpp_dialogue(p, std::move(host));
    default:
      return line_dialogue(p, std::move(own_name));
  }
}

}  // namespace certline::scanner
