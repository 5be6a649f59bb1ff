// Turns what people type into one canonical (host, port). A name is mapped to A-labels first and
// checked afterwards, so no spelling that IDNA folds into digits or dots slips past the checks. A
// text that inet_aton would read as an address is never taken for a name. ip_address.cpp is next on
// the way.
#include "protocol/domain.hpp"

#include <idn2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>

#include "protocol/limits.hpp"
#include "protocol/values.hpp"

namespace certline {
namespace {

constexpr std::uint16_t kDefaultPort = 443;
constexpr std::uint16_t kPlainHttpPort = 80;

// Names that never lead to a public server, each with everything below it.
constexpr std::array<std::string_view, 12> kSpecialNames{
    "alt",            // RFC 9476
    "example",        // RFC 6761 6.5; example.org and its kin are ordinary names here
    "home.arpa",      // RFC 8375
    "internal",       // reserved for private use by ICANN, 2024
    "invalid",        // RFC 6761 6.4
    "ipv4only.arpa",  // RFC 8880
    "local",          // RFC 6762
    "localhost",      // RFC 6761 6.3
    "onion",          // RFC 7686
    "resolver.arpa",  // RFC 9462
    "service.arpa",   // RFC 9665
    "test",           // RFC 6761 6.2
};

Error invalid(std::string_view input, std::string_view why) {
  return Error{ErrorKind::invalid_value, "domain " + quoted(input) + ' ' + std::string(why), 0};
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// Printable ASCII without blanks, or bytes of UTF-8 sequences (judged by the IDNA mapping).
bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte != 0x7f;
  });
}

// What stands before any judgement of the host: "host", ":port" and the default port.
struct Pieces {
  std::string_view host;
  std::optional<std::string_view> port;
  bool bracketed = false;
  bool plain_http = false;
};

// The authority of a URL; the whole text where it has no scheme.
Result<std::string_view> authority_of(std::string_view text, bool& plain_http) {
  const std::size_t mark = text.find("://");
  if (mark == std::string_view::npos) return text;
  const std::string scheme = ascii_lower(text.substr(0, mark));
  plain_http = scheme == "http";
  if (!plain_http && scheme != "https") {
    return invalid(text, "has an unknown scheme; write https://host or host:port");
  }
  const std::string_view rest = text.substr(mark + 3);
  const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  if (!is_ascii(rest.substr(end)))
    return invalid(text, "has a path that is not ASCII; leave it out");
  if (rest.substr(0, end).find('@') != std::string_view::npos) {
    return invalid(text, "carries a user name; write the URL without it");
  }
  return rest.substr(0, end);
}

Result<Pieces> split(std::string_view text) {
  Pieces pieces;
  const auto authority = authority_of(text, pieces.plain_http);
  if (!authority) return authority.error();
  std::string_view rest = *authority;
  if (rest.starts_with('[')) {
    const std::size_t close = rest.find(']');
    if (close == std::string_view::npos) return invalid(text, "lacks the closing bracket");
    pieces.bracketed = true;
    pieces.host = rest.substr(1, close - 1);
    rest.remove_prefix(close + 1);
    if (rest.empty()) return pieces;
    if (rest.front() != ':')
      return invalid(text, "has text behind the bracket; write [address]:port");
    pieces.port = rest.substr(1);
    return pieces;
  }
  const std::size_t colon = rest.find(':');
  if (colon != std::string_view::npos && rest.find(':', colon + 1) != std::string_view::npos) {
    pieces.bracketed = true;  // a bare IPv6 address: two colons or more
    pieces.host = rest;
    return pieces;
  }
  pieces.host = rest.substr(0, colon);
  if (colon != std::string_view::npos) pieces.port = rest.substr(colon + 1);
  return pieces;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool whole = code == std::errc() && end == text.data() + text.size();
  if (!whole || port == 0 || text.front() == '0') return std::nullopt;
  return port;
}

// The name as A-labels, lower case. Plain LDH names skip the mapping, which would change nothing
// but refuse "--" in third place, as real host names have it.
Result<std::string> to_a_labels(std::string_view host, std::string_view input) {
  std::string lower = ascii_lower(host);
  if (is_ascii(lower) && lower.find("xn--") == std::string::npos) return lower;
  std::uint8_t* mapped = nullptr;
  const int code = idn2_lookup_u8(reinterpret_cast<const std::uint8_t*>(lower.c_str()), &mapped,
                                  IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<std::uint8_t, decltype(&idn2_free)> owner(mapped,
                                                                  [](void* p) { idn2_free(p); });
  if (code != IDN2_OK) {
    return invalid(
        input, "is not a valid internationalised name (" + std::string(idn2_strerror(code)) + ")");
  }
  return ascii_lower(reinterpret_cast<const char*>(mapped));
}

// Would inet_aton read a text that ends in this label as an address?
bool reads_as_number(std::string_view label) {
  if (label.starts_with("0x")) return std::all_of(label.begin() + 2, label.end(), is_hex);
  return std::all_of(label.begin(), label.end(), is_digit);
}

bool is_ldh_label(std::string_view label) {
  if (label.empty() || label.size() > kLabelBytes) return false;
  if (label.front() == '-' || label.back() == '-') return false;
  return std::all_of(label.begin(), label.end(),
                     [](char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-'; });
}

bool is_special(std::string_view name) {
  return std::any_of(kSpecialNames.begin(), kSpecialNames.end(), [&](std::string_view special) {
    if (!name.ends_with(special)) return false;
    return name.size() == special.size() || name[name.size() - special.size() - 1] == '.';
  });
}

Result<> check_name(std::string_view name, std::string_view input, DomainRules rules) {
  if (name.size() > kDomainNameBytes) return invalid(input, "is longer than 253 bytes");
  std::string_view last = name;
  for (std::string_view rest = name;;) {
    const std::size_t dot = rest.find('.');
    last = rest.substr(0, dot);
    if (!is_ldh_label(last)) {
      return invalid(input,
                     "is not a host name: each label is 1 to 63 letters, digits or inner hyphens");
    }
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (reads_as_number(last)) {
    return invalid(input, "reads as a number; write an IPv4 address as four plain decimals");
  }
  if (rules.special_names) return {};
  if (is_special(name)) {
    return Error{ErrorKind::refused,
                 "domain " + quoted(input) +
                     " is a special-use name; the setting scanner.special_names permits it",
                 0};
  }
  if (last.size() == name.size()) {
    return invalid(input,
                   "is a single label; write the full name (scanner.special_names permits these)");
  }
  return {};
}

Result<std::string> parse_name(std::string_view host, std::string_view input, DomainRules rules) {
  if (host.starts_with("*.")) host.remove_prefix(2);
  auto name = to_a_labels(host, input);
  if (!name) return name;
  if (name->size() > 1 && name->ends_with('.')) name->pop_back();
  const auto checked = check_name(*name, input, rules);
  if (!checked) return checked.error();
  return name;
}

}  // namespace

Result<Domain> Domain::parse(std::string_view text, DomainRules rules) {
  if (text.empty() || text.size() > kDomainInputBytes) {
    return invalid(text, "is empty or longer than 512 bytes");
  }
  if (!is_printable(text)) return invalid(text, "holds a blank or a control byte");
  const auto pieces = split(text);
  if (!pieces) return pieces.error();

  Domain domain;
  domain.input_ = ascii_lower(text);
  if (pieces->port) {
    const auto port = parse_port(*pieces->port);
    if (!port) return invalid(text, "has a port that is not 1 to 65535");
    domain.port_ = pieces->plain_http && *port == kPlainHttpPort ? kDefaultPort : *port;
  }
  domain.ip_ = IpAddress::parse(pieces->host);
  if (pieces->bracketed && (!domain.ip_ || pieces->host.find(':') == std::string_view::npos)) {
    return invalid(text, "is not an IPv6 address (scope ids are refused); write [2001:db8::1]:443");
  }
  if (domain.ip_) {
    domain.host_ = domain.ip_->to_string();
    return domain;
  }
  auto name = parse_name(pieces->host, text, rules);
  if (!name) return name.error();
  domain.host_ = std::move(*name);
  return domain;
}

std::string with_port(std::string_view host, std::uint16_t port) {
  std::string text(host);
  if (host.find(':') != host.npos) text = '[' + text + ']';
  return text + ':' + std::to_string(port);
}

std::string Domain::canonical() const {
  const bool v6 = ip_ && !ip_->is_v4();
  std::string out = v6 ? '[' + host_ + ']' : host_;
  if (port_ != kDefaultPort) {
    out += ':';
    out += std::to_string(port_);
  }
  return out;
}

}  // namespace certline
