// The small values of a request, each checked byte by byte where it enters. The STARTTLS protocols
// are one table: names, numbers and default ports come from its rows. arguments.cpp is next on the
// way.
#include "protocol/values.hpp"

#include <algorithm>
#include <optional>

#include "protocol/limits.hpp"

namespace certline {
namespace {

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

std::optional<std::uint8_t> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<std::uint8_t>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<std::uint8_t>(c - 'A' + 10);
  return std::nullopt;
}

// RFC 5321 4.1.2 dot-string: atoms of RFC 5322 atext, joined by single dots.
bool is_dot_atom(std::string_view text) {
  static constexpr std::string_view kSpecials = "!#$%&'*+-/=?^_`{|}~";
  bool atom_open = false;
  for (const char c : text) {
    if (c == '.') {
      if (!atom_open) return false;
      atom_open = false;
    } else if (is_alnum(c) || kSpecials.find(c) != std::string_view::npos) {
      atom_open = true;
    } else {
      return false;
    }
  }
  return atom_open;
}

bool is_label(std::string_view text) {
  if (text.empty() || text.size() > kLabelBytes) return false;
  if (text.front() == '-' || text.back() == '-') return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return is_alnum(c) || c == '-'; });
}

// A mail domain: two LDH labels or more, the last of them no number.
bool is_mail_domain(std::string_view text) {
  if (text.size() > kDomainNameBytes) return false;
  std::size_t labels = 0;
  std::string_view last;
  while (true) {
    const std::size_t dot = text.find('.');
    last = text.substr(0, dot);
    if (!is_label(last)) return false;
    ++labels;
    if (dot == std::string_view::npos) break;
    text.remove_prefix(dot + 1);
  }
  const bool number =
      std::all_of(last.begin(), last.end(), [](char c) { return c >= '0' && c <= '9'; });
  return labels >= 2 && !number;
}

struct StarttlsRow {
  Starttls protocol;
  std::string_view name;
  std::uint16_t port;  // 0: no port means this one
};

constexpr std::array<StarttlsRow, kStarttlsCount> kStarttls{{
    {Starttls::none, "none", 0},
    {Starttls::smtp, "smtp", 25},
    {Starttls::imap, "imap", 143},
    {Starttls::pop3, "pop3", 110},
    {Starttls::ftp, "ftp", 21},
    {Starttls::ldap, "ldap", 389},
    {Starttls::xmpp_client, "xmpp-client", 5222},
    {Starttls::xmpp_server, "xmpp-server", 5269},
    {Starttls::postgres, "postgres", 5432},
    {Starttls::mysql, "mysql", 3306},
    {Starttls::sieve, "sieve", 4190},
    {Starttls::nntp, "nntp", 119},
}};
constexpr std::uint16_t kSubmissionPort = 587;  // the second port of smtp (RFC 6409)

Error invalid(std::string detail) {
  return Error{ErrorKind::invalid_value, std::move(detail), 0};
}

}  // namespace

Result<ApiKey> ApiKey::parse(std::string_view text) {
  const bool sized = text.size() >= kApiKeyMin && text.size() <= kApiKeyMax;
  if (!sized ||
      !std::all_of(text.begin(), text.end(), [](char c) { return is_alnum(c) || c == '-'; })) {
    return invalid(
        "an apikey is 16 to 64 letters, digits or hyphens; command apikey makes a fresh one");
  }
  return ApiKey(std::string(text));
}

Result<Email> Email::parse(std::string_view text) {
  static constexpr std::size_t kLocalPartBytes = 64;  // RFC 5321 4.5.3.1.1
  const std::size_t at = text.rfind('@');
  const bool good = at != std::string_view::npos && text.size() <= kEmailBytes &&
                    at <= kLocalPartBytes && is_dot_atom(text.substr(0, at)) &&
                    is_mail_domain(text.substr(at + 1));
  if (!good) {
    return invalid("email " + quoted(text) + " is not an address such as admin@example.org");
  }
  return Email(ascii_lower(text));
}

Result<Sha256> parse_sha256(std::string_view text) {
  Sha256 digest{};
  const bool colons = text.size() == 3 * digest.size() - 1;
  bool good = colons || text.size() == 2 * digest.size();
  const std::size_t step = colons ? 3 : 2;
  for (std::size_t i = 0; good && i < digest.size(); ++i) {
    const auto high = hex_digit(text[i * step]);
    const auto low = hex_digit(text[i * step + 1]);
    good = high && low && (!colons || i + 1 == digest.size() || text[i * step + 2] == ':');
    if (good) digest[i] = static_cast<std::uint8_t>(*high << 4 | *low);
  }
  if (!good) {
    return invalid("sha256 is 64 hex digits, with or without colons between the bytes");
  }
  return digest;
}

std::string hex(const std::uint8_t* data, std::size_t size) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out(2 * size, '0');
  for (std::size_t i = 0; i < size; ++i) {
    out[2 * i] = kDigits[data[i] >> 4];
    out[2 * i + 1] = kDigits[data[i] & 15];
  }
  return out;
}

std::string_view starttls_name(Starttls p) {
  return kStarttls.at(static_cast<std::size_t>(p)).name;
}

Result<Starttls> parse_starttls(std::string_view text) {
  const std::string name = ascii_lower(text.substr(0, 16));
  std::string known;
  for (const StarttlsRow& row : kStarttls) {
    if (text.size() == row.name.size() && name == row.name) return row.protocol;
    known += known.empty() ? "" : ", ";
    known += row.name;
  }
  return invalid("starttls " + quoted(text) + " is not one of " + known);
}

Starttls default_starttls(std::uint16_t port) {
  if (port == kSubmissionPort) return Starttls::smtp;
  for (const StarttlsRow& row : kStarttls) {
    if (row.port == port && port != 0) return row.protocol;
  }
  return Starttls::none;
}

std::string ascii_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

}  // namespace certline
