// Reads the configuration file. One table names every key and the function that reads it. So an
// unknown key, a wrong type and a value out of range are found the same way, and the error names
// the line. [[channel]] has its own reader, read_channels.cpp.
#include "daemon/runtime/config.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <functional>
#include <limits>
#include <sstream>

#include "daemon/runtime/read_channels.hpp"
#include "pki/verdict.hpp"

namespace certline::runtime {
namespace {

using Problem = std::string;  // empty: none
using Reader = std::function<Problem(Config&, const toml::node&)>;

struct SettingRow {
  std::string_view key;  // "line.quiet_ms"
  Reader read;
};

template <class Number>
Reader number(Number& (*field)(Config&), std::int64_t least, std::int64_t most) {
  return [=](Config& config, const toml::node& node) -> Problem {
    const auto value = node.value_exact<std::int64_t>();
    if (!value || *value < least || *value > most) {
      return fmt::format("write a whole number from {} to {}", least, most);
    }
    field(config) = Number(*value);
    return {};
  };
}

Reader boolean(bool& (*field)(Config&)) {
  return [=](Config& config, const toml::node& node) -> Problem {
    const auto value = node.value_exact<bool>();
    if (!value) return "write true or false";
    field(config) = *value;
    return {};
  };
}

Reader text(std::string& (*field)(Config&)) {
  return [=](Config& config, const toml::node& node) -> Problem {
    const auto value = node.value_exact<std::string>();
    if (!value || value->empty()) return "write a text in quotes";
    field(config) = *value;
    return {};
  };
}

Reader text_or_none(std::string& (*field)(Config&)) {
  return [=](Config& config, const toml::node& node) -> Problem {
    const auto value = node.value_exact<std::string>();
    if (!value) return "write a text in quotes; \"\" for none";
    field(config) = *value;
    return {};
  };
}

template <class Enum>
Reader choice(Enum& (*field)(Config&), std::vector<std::string_view> names) {
  return [=](Config& config, const toml::node& node) -> Problem {
    const auto value = node.value_exact<std::string>();
    for (std::size_t i = 0; value && i < names.size(); ++i) {
      if (names[i] == *value) {
        field(config) = Enum(i);
        return {};
      }
    }
    return fmt::format("write one of \"{}\"", fmt::join(names, "\", \""));
  };
}

// A list of texts, each read by `parse`.
template <class T, class Parse>
Reader list(std::vector<T>& (*field)(Config&), std::string_view form, Parse parse) {
  return [=](Config& config, const toml::node& node) -> Problem {
    const toml::array* items = node.as_array();
    if (items == nullptr) return fmt::format("write a list of {}", form);
    std::vector<T> values;
    for (const toml::node& item : *items) {
      const auto value = item.value_exact<std::string>();
      if (!value) return fmt::format("write a list of {}", form);
      auto parsed = parse(*value);
      if (parsed.has_error()) return parsed.error().detail;
      values.push_back(std::move(parsed).value());
    }
    field(config) = std::move(values);
    return {};
  };
}

// Bytes as a number, or as text with a unit: "512 MiB", "16 GiB".
Problem read_map_size(Config& config, const toml::node& node) {
  constexpr std::uint64_t kLeast = 1 << 20;
  constexpr std::uint64_t kMost = 1ull << 46;
  std::uint64_t bytes = 0;
  if (const auto value = node.value_exact<std::int64_t>()) {
    bytes = *value > 0 ? std::uint64_t(*value) : 0;
  } else if (const auto words = node.value_exact<std::string>()) {
    std::istringstream in(*words);
    std::string unit;
    in >> bytes >> unit;
    const int shift = unit == "MiB" ? 20 : unit == "GiB" ? 30 : unit == "TiB" ? 40 : 0;
    bytes = shift != 0 && bytes <= (kMost >> shift) ? bytes << shift : 0;
  }
  if (bytes < kLeast || bytes > kMost) {
    return "write a number of bytes from 1 MiB to 64 TiB, or a text such as \"16 GiB\"";
  }
  config.store.map_size = bytes;
  return {};
}

Result<scanner::Resolver> parse_resolver(std::string_view text) {
  auto bare = IpAddress::parse(text);
  if (bare) return scanner::Resolver{*bare, 53};
  auto parsed = parse_listen_address(text, false);
  if (parsed.has_error()) return parsed.error();
  return scanner::Resolver{parsed->address, parsed->port};
}

template <class Limits, std::chrono::milliseconds Limits::*Member>
Reader milliseconds(Limits& (*limits)(Config&), std::int64_t least, std::int64_t most) {
  return [=](Config& config, const toml::node& node) -> Problem {
    const auto value = node.value_exact<std::int64_t>();
    if (!value || *value < least || *value > most) {
      return fmt::format("write milliseconds from {} to {}", least, most);
    }
    limits(config).*Member = std::chrono::milliseconds(*value);
    return {};
  };
}

Reader addresses(std::vector<ListenAddress>& (*field)(Config&)) {
  return list(field, "\"address:port\"",
              [](std::string_view t) { return parse_listen_address(t, true); });
}

Problem read_email(std::string& into, const toml::node& node) {
  const auto value = node.value_exact<std::string>();
  const auto email = Email::parse(value.value_or(""));
  if (!email) return "write an e-mail address in quotes";
  into = email->text();
  return {};
}

Problem read_public_url(Config& config, const toml::node& node) {
  const auto value = node.value_exact<std::string>();
  const bool web = value && (value->starts_with("https://") || value->starts_with("http://"));
  if (!web || value->ends_with('/') || value->find_first_of(" \"<>\\") != value->npos) {
    return "write an address such as \"https://certline.example.org\", no slash at its end";
  }
  config.http.public_url = *value;
  return {};
}

#define FIELD(type, expression) +[](Config& c) -> type& { return c.expression; }

std::vector<SettingRow> server_rows() {
  constexpr std::int64_t kMany = 10'000'000;
  return {
      {"registration", choice(FIELD(Registration, registration), {"open", "claim", "closed"})},
      {"store.path", text(FIELD(std::string, store.path))},
      {"store.map_size", read_map_size},
      {"line.listen", addresses(FIELD(std::vector<ListenAddress>, line.listen))},
      {"line.listen_tls", addresses(FIELD(std::vector<ListenAddress>, line.listen_tls))},
      {"line.socket", text_or_none(FIELD(std::string, line.socket))},
      {"line.quiet_ms",
       milliseconds<LineLimits, &LineLimits::quiet>(FIELD(LineLimits, line.limits), 1, 60'000)},
      {"line.first_request_ms", milliseconds<LineLimits, &LineLimits::first_request>(
                                    FIELD(LineLimits, line.limits), 10, 3'600'000)},
      {"line.idle_ms",
       milliseconds<LineLimits, &LineLimits::idle>(FIELD(LineLimits, line.limits), 10, 86'400'000)},
      {"line.unread_output_bytes",
       number(FIELD(std::size_t, line.limits.unread_output_bytes), 1000, 64 << 20)},
      {"line.connections", number(FIELD(std::uint32_t, line.limits.connections), 1, 1'000'000)},
      {"line.connections_per_source",
       number(FIELD(std::uint32_t, line.limits.connections_per_source), 1, 1'000'000)},
      {"line.threads", number(FIELD(unsigned, line.threads), 0, 64)},
      {"line.remembered_answers",
       number(FIELD(std::uint32_t, line.remembered_answers), 0, 100'000'000)},
      {"limits.names_per_key", number(FIELD(std::uint32_t, accounts.names_per_key), 1, kMany)},
      {"limits.scan_interval_s", number(FIELD(std::uint32_t, accounts.scan_interval_s), 0, 86'400)},
      {"limits.source_per_minute", number(FIELD(std::uint32_t, rates.source_per_minute), 1, kMany)},
      {"limits.source_burst", number(FIELD(std::uint32_t, rates.source_burst), 1, kMany)},
      {"limits.key_per_minute", number(FIELD(std::uint32_t, rates.key_per_minute), 1, kMany)},
      {"limits.key_burst", number(FIELD(std::uint32_t, rates.key_burst), 1, kMany)},
      {"limits.exempt_loopback", boolean(FIELD(bool, rates.exempt_loopback))},
  };
}

std::vector<SettingRow> http_rows() {
  return {
      {"http.listen", addresses(FIELD(std::vector<ListenAddress>, http.listen))},
      {"http.listen_tls", addresses(FIELD(std::vector<ListenAddress>, http.listen_tls))},
      {"http.head_ms",
       milliseconds<HttpLimits, &HttpLimits::head>(FIELD(HttpLimits, http.limits), 10, 3'600'000)},
      {"http.idle_ms",
       milliseconds<HttpLimits, &HttpLimits::idle>(FIELD(HttpLimits, http.limits), 10, 3'600'000)},
      {"http.body_bytes_per_s",
       number(FIELD(std::uint32_t, http.limits.body_bytes_per_s), 1, 1'000'000)},
      {"http.requests_per_connection",
       number(FIELD(std::uint32_t, http.limits.requests_per_connection), 1, 1'000'000'000)},
      {"http.public_url", read_public_url},
      {"tls.certificate", text(FIELD(std::string, tls.certificate))},
      {"tls.key", text(FIELD(std::string, tls.key))},
      {"tls.handshake_ms", milliseconds<HandshakeLimits, &HandshakeLimits::deadline>(
                               FIELD(HandshakeLimits, tls.handshakes), 10, 3'600'000)},
      {"tls.handshakes", number(FIELD(std::uint32_t, tls.handshakes.in_total), 1, 1'000'000)},
      {"tls.handshakes_per_source",
       number(FIELD(std::uint32_t, tls.handshakes.per_source), 1, 1'000'000)},
  };
}

std::vector<SettingRow> account_rows() {
  constexpr std::int64_t kMany = 10'000'000;
  return {
      {"accounts.verification", choice(FIELD(Verification, verification), {"off", "email"})},
      {"limits.unconfirmed_keys",
       number(FIELD(std::uint32_t, accounts.unconfirmed_keys), 1, kMany)},
      {"limits.new_accounts_per_source",
       number(FIELD(std::uint32_t, accounts.new_accounts_per_source), 1, kMany)},
      {"notify.address",
       [](Config& c, const toml::node& n) { return read_email(c.notify.address, n); }},
      {"notify.digest", choice(FIELD(Digest, notify.digest), {"off", "daily", "weekly"})},
      {"notify.gather_s", number(FIELD(std::uint32_t, notify.gather_s), 0, 86'400)},
      {"smtp.server", text(FIELD(std::string, smtp.server))},
      {"smtp.tls", choice(FIELD(MailTls, smtp.tls), {"required", "opportunistic", "off"})},
      {"smtp.tls_at_once", boolean(FIELD(bool, smtp.tls_at_once))},
      {"smtp.user", text(FIELD(std::string, smtp.user))},
      {"smtp.password_file", text(FIELD(std::string, smtp.password_file))},
      {"smtp.from", [](Config& c, const toml::node& n) { return read_email(c.smtp.from, n); }},
      {"smtp.trust_file", text(FIELD(std::string, smtp.trust_file))},
      {"channel", [](Config& c, const toml::node& n) { return read_channels(c.channels, n); }},
  };
}

std::vector<SettingRow> scanner_rows() {
  return {
      {"scanner.allow", list(FIELD(std::vector<scanner::Network>, scanner.allow), "networks",
                             [](std::string_view t) { return scanner::Network::parse(t); })},
      {"scanner.special_names", boolean(FIELD(bool, scanner.special_names))},
      {"scanner.resolvers", list(FIELD(std::vector<scanner::Resolver>, scanner.resolvers),
                                 "\"address:port\"", parse_resolver)},
      {"scanner.trust_file", text(FIELD(std::string, scanner.trust_file))},
      {"scanner.timeout_ms", number(FIELD(std::uint32_t, scanner.timeout_ms), 100, 120'000)},
      {"scanner.dns_timeout_ms", number(FIELD(std::uint32_t, scanner.dns_timeout_ms), 100, 60'000)},
      {"scanner.concurrency", number(FIELD(std::uint32_t, scanner.concurrency), 1, 20'000)},
      {"scanner.threads", number(FIELD(unsigned, scanner.threads), 0, 64)},
      {"scanner.per_address", number(FIELD(std::uint32_t, scanner.per_address), 1, 1000)},
      {"log.level", choice(FIELD(LogLevel, log.level), {"debug", "info", "warning", "error"})},
  };
}
#undef FIELD

const std::vector<SettingRow>& rows() {
  static const std::vector<SettingRow> all = [] {
    std::vector<SettingRow> r;
    for (const auto part : {server_rows, http_rows, account_rows, scanner_rows}) {
      for (auto& row : part()) r.push_back(std::move(row));
    }
    return r;
  }();
  return all;
}

bool is_section(std::string_view name) {
  for (const SettingRow& row : rows()) {
    if (row.key.size() > name.size() && row.key.starts_with(name) && row.key[name.size()] == '.') {
      return true;
    }
  }
  return false;
}

Error problem_at(const std::string& file, const toml::source_region& where, std::string_view what) {
  return {ErrorKind::invalid_value, fmt::format("{}:{}: {}", file, where.begin.line, what)};
}

Result<void> read_table(const toml::table& table, const std::string& prefix,
                        const std::string& file, Config& config) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    if (const toml::table* section = node.as_table(); section != nullptr && is_section(name)) {
      if (auto inner = read_table(*section, name + ".", file, config); !inner) return inner.error();
      continue;
    }
    const SettingRow* found = nullptr;
    for (const SettingRow& row : rows()) {
      if (row.key == name) found = &row;
    }
    if (found == nullptr) {
      return problem_at(file, key.source(),
                        "unknown key " + quoted(name) + "; certlined.toml lists the known ones");
    }
    if (const Problem problem = found->read(config, node); !problem.empty()) {
      return problem_at(file, node.source(), name + ": " + problem);
    }
  }
  return {};
}

}  // namespace

namespace {

bool is_host_and_port(std::string_view text) {
  const auto domain = Domain::parse(text, {true});
  return domain && text.find('/') == text.npos && text.find(':') != text.npos;
}

// What no single key can tell.
Problem check_whole(const Config& config) {
  const bool over_tls = config.tls.on() && !config.line.listen_tls.empty();
  if (config.line.listen.empty() && !over_tls && config.line.socket.empty()) {
    return "line.listen: write at least one address";
  }
  if (config.tls.certificate.empty() != config.tls.key.empty()) {
    return "tls.certificate and tls.key belong together: write both or neither";
  }
  if (!config.smtp.server.empty() && !is_host_and_port(config.smtp.server)) {
    return "smtp.server: write \"host:port\"";
  }
  if (!config.smtp.server.empty() && config.smtp.from.empty()) {
    return "smtp.from: write the address that mail comes from";
  }
  if (config.smtp.user.empty() != config.smtp.password_file.empty()) {
    return "smtp.user and smtp.password_file belong together: write both or neither";
  }
  if (config.verification == Verification::email && config.smtp.server.empty()) {
    return "accounts.verification = \"email\" needs smtp.server";
  }
  for (const ChannelConfig& channel : config.channels) {
    if (channel.kind == ChannelKind::email && config.smtp.server.empty()) {
      return "channel " + quoted(channel.name) + " needs smtp.server";
    }
  }
  return {};
}

}  // namespace

std::string ListenAddress::to_string() const {
  return address.is_v4() ? fmt::format("{}:{}", address.to_string(), port)
                         : fmt::format("[{}]:{}", address.to_string(), port);
}

Result<ListenAddress> parse_listen_address(std::string_view text, bool port_zero_allowed) {
  const Error error{ErrorKind::invalid_value,
                    quoted(text) +
                        " is not address:port; write \"127.0.0.1:10023\" or "
                        "\"[::1]:10023\""};
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return error;
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::parse(host);
  std::uint16_t port = 0;
  const auto end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, port);
  if (!address || address->is_v4() == bracketed || read.ec != std::errc{} || read.ptr != end ||
      (port == 0 && !port_zero_allowed)) {
    return error;
  }
  return ListenAddress{*address, port};
}

std::string Config::trust_file() const {
  return scanner.trust_file.empty() ? pki::TrustStore::system_file() : scanner.trust_file;
}

scanner::ScannerSettings Config::scanner_settings() const {
  scanner::ScannerSettings settings;
  settings.resolvers = scanner.resolvers;
  settings.policy =
      std::make_shared<const scanner::AddressPolicy>(scanner.allow, scanner::interface_addresses);
  settings.timeout = std::chrono::milliseconds(scanner.timeout_ms);
  settings.dns_timeout = std::chrono::milliseconds(scanner.dns_timeout_ms);
  settings.threads = scanner.threads;
  settings.per_address = scanner.per_address;
  return settings;
}

Result<Config> parse_config(std::string_view toml_text, const std::string& file_name) {
  try {
    const toml::table parsed = toml::parse(toml_text);
    Config config;
    if (auto read = read_table(parsed, "", file_name, config); !read) return read.error();
    if (const Problem problem = check_whole(config); !problem.empty()) {
      return Error{ErrorKind::invalid_value, file_name + ": " + problem};
    }
    return config;
  } catch (const toml::parse_error& error) {
    return problem_at(file_name, error.source(), error.description());
  }
}

Result<Config> load_config(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf() || in.peek() == std::ifstream::traits_type::eof())) {
    return Error{ErrorKind::invalid_value,
                 "cannot read " + file + "; check the path and its rights"};
  }
  return parse_config(text.str(), file);
}

}  // namespace certline::runtime
