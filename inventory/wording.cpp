// Plain short English for dates, spans and scan states. The phrases for states are a table, so that
// a test finds a new state without words.
#include "inventory/wording.hpp"

#include <algorithm>
#include <array>

#include "inventory/schedule.hpp"

namespace certline {
namespace {

struct Phrase {
  ScanState state;
  std::string_view text;
};
constexpr std::array kPhrases = {
    Phrase{ScanState::pending, "not looked at yet"},
    Phrase{ScanState::ok, "fine"},
    Phrase{ScanState::expired, "expired"},
    Phrase{ScanState::not_yet_valid, "not valid yet"},
    Phrase{ScanState::wrong_host, "for other names"},
    Phrase{ScanState::self_signed, "self-signed"},
    Phrase{ScanState::untrusted_root, "from an issuer that browsers don't trust"},
    Phrase{ScanState::incomplete_chain, "sent without its intermediate"},
    Phrase{ScanState::weak_key, "with a weak key"},
    Phrase{ScanState::weak_signature, "with a weak signature"},
    Phrase{ScanState::revoked, "revoked"},
    Phrase{ScanState::bad_certificate, "against the rules"},
    Phrase{ScanState::old_certificate_served, "not the announced one"},
    Phrase{ScanState::client_certificate_required, "asks for a client certificate"},
    Phrase{ScanState::refused, "connection refused"},
    Phrase{ScanState::timeout, "no answer in time"},
    Phrase{ScanState::unreachable, "no route"},
    Phrase{ScanState::not_tls, "something answers, but not TLS"},
    Phrase{ScanState::tls_error, "the TLS handshake fails"},
    Phrase{ScanState::starttls_refused, "STARTTLS refused"},
    Phrase{ScanState::starttls_not_offered, "STARTTLS not offered"},
    Phrase{ScanState::starttls_protocol_error, "the dialogue before TLS is broken"},
    Phrase{ScanState::injection_suspected, "something speaks before TLS begins"},
    Phrase{ScanState::policy, "forbidden by the address policy"},
    Phrase{ScanState::dns_error, "the name cannot be resolved"},
    Phrase{ScanState::no_address, "the name has no address"},
};

}  // namespace

std::string counted(std::size_t n, std::string_view what) {
  std::string out = std::to_string(n) + ' ' + std::string(what);
  if (n != 1) out += what.ends_with('s') ? "es" : "s";
  return out;
}

std::string duration(UtcTime seconds) {
  const UtcTime whole = std::max<UtcTime>(0, seconds);
  if (whole >= 2 * kDay) return counted(static_cast<std::size_t>(whole / kDay), "day");
  if (whole >= kHour) return counted(static_cast<std::size_t>(whole / kHour), "hour");
  return counted(static_cast<std::size_t>(std::max<UtcTime>(1, whole / kMinute)), "minute");
}

std::string ends_text(UtcTime not_after, UtcTime now) {
  if (not_after == 0) return "ends at a time that cannot be read";
  const std::string day = " (" + day_text(not_after) + ')';
  if (now < not_after) return "ends in " + duration(not_after - now) + day;
  return "expired " + duration(now - not_after) + " ago" + day;
}

std::string joined(const std::vector<std::string>& items, std::size_t most) {
  std::string out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i == most) return out + " and " + std::to_string(items.size() - most) + " more";
    if (i > 0) out += ", ";
    out += items[i];
  }
  return out;
}

std::string phrase(ScanState state) {
  const auto at = std::find_if(kPhrases.begin(), kPhrases.end(),
                               [&](const Phrase& p) { return p.state == state; });
  return std::string(at == kPhrases.end() ? scan_state_name(state) : at->text);
}

}  // namespace certline
