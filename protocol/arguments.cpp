// A builder per command parses the values. Nothing is allocated before the values themselves, and
// each error says what to write instead.
#include "protocol/arguments.hpp"

#include <algorithm>
#include <charconv>

#include "protocol/base64.hpp"
#include "protocol/limits.hpp"

namespace certline {
namespace {

Error malformed(std::string detail) {
  return {ErrorKind::malformed, std::move(detail), 0};
}
Error invalid(std::string detail) {
  return {ErrorKind::invalid_value, std::move(detail), 0};
}

// What a builder parses from. Each getter gives a value or the error that ends the request.
struct Arguments {
  const Pairs& pairs;
  const DomainRules& rules;

  Result<Domain> domain() const { return Domain::parse(pairs[Key::domain], rules); }
  Result<ApiKey> key() const { return ApiKey::parse(pairs[Key::apikey]); }
};

// An optional argument: absent is an empty value, wrong is an error.
template <class T, class Parse>
Result<std::optional<T>> optionally(std::string_view text, Parse parse) {
  if (text.empty()) return std::optional<T>{};
  Result<T> value = parse(text);
  if (!value) return value.error();
  return std::optional<T>(std::move(*value));
}

template <Key key>
Result<IpAddress> parse_ip(std::string_view text) {
  const auto address = IpAddress::parse(text);
  if (!address) {
    return invalid(std::string(kKeys[static_cast<std::size_t>(key)]) + ' ' + quoted(text) +
                   " is no IPv4 or IPv6 address; write it without brackets");
  }
  return *address;
}

Result<std::uint32_t> parse_wait(std::string_view text) {
  std::uint32_t seconds = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (code != std::errc() || end != text.data() + text.size() || seconds > kWaitMaxSeconds) {
    return invalid("wait " + quoted(text) + " is not a number of seconds from 0 to 30");
  }
  return seconds;
}

Result<std::uint64_t> parse_number(std::string_view key, std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code == std::errc() && end == text.data() + text.size()) return number;
  return invalid(std::string(key) + ' ' + quoted(text) + " is not a whole number");
}

Result<bool> parse_switch(std::string_view text) {
  if (same_word(text, "on")) return true;
  if (same_word(text, "off")) return false;
  return invalid("mail " + quoted(text) + " is not on or off");
}

template <class T>
Result<Request> build_plain(const Arguments&) {
  return Request(T{});
}

template <class T>
Result<Request> build_name(const Arguments& args) {
  auto domain = args.domain();
  if (!domain) return domain.error();
  auto key = args.key();
  if (!key) return key.error();
  return Request(T{std::move(*domain), std::move(*key)});
}

Result<Request> build_claim(const Arguments& args) {
  auto email = Email::parse(args.pairs[Key::email]);
  if (!email) return email.error();
  auto key = optionally<ApiKey>(args.pairs[Key::apikey], ApiKey::parse);
  if (!key) return key.error();
  return Request(ClaimKey{std::move(*email), std::move(*key)});
}

Result<Request> build_add(const Arguments& args) {
  auto domain = args.domain();
  if (!domain) return domain.error();
  auto key = args.key();
  if (!key) return key.error();
  const auto starttls = optionally<Starttls>(args.pairs[Key::starttls], parse_starttls);
  if (!starttls) return starttls.error();
  const auto expected = optionally<Sha256>(args.pairs[Key::sha256], parse_sha256);
  if (!expected) return expected.error();
  return Request(AddDomain{std::move(*domain), std::move(*key), *starttls, *expected});
}

Result<Request> build_expiration(const Arguments& args) {
  auto domain = args.domain();
  if (!domain) return domain.error();
  auto key = args.key();
  if (!key) return key.error();
  const auto ip = optionally<IpAddress>(args.pairs[Key::ip], parse_ip<Key::ip>);
  if (!ip) return ip.error();
  const auto wait = optionally<std::uint32_t>(args.pairs[Key::wait], parse_wait);
  if (!wait) return wait.error();
  return Request(GetExpiration{std::move(*domain), std::move(*key), *ip, wait->value_or(0)});
}

Result<Request> build_domains(const Arguments& args) {
  auto key = args.key();
  if (!key) return key.error();
  auto after = optionally<Domain>(args.pairs[Key::after], [&](std::string_view text) {
    return Domain::parse(text, args.rules);
  });
  if (!after) return after.error();
  return Request(ListDomains{std::move(*key), std::move(*after)});
}

Result<Request> build_addresses(const Arguments& args) {
  auto domain = args.domain();
  if (!domain) return domain.error();
  auto key = args.key();
  if (!key) return key.error();
  const auto after = optionally<IpAddress>(args.pairs[Key::after], parse_ip<Key::after>);
  if (!after) return after.error();
  return Request(ListAddresses{std::move(*domain), std::move(*key), *after});
}

Result<Request> build_help(const Arguments& args) {
  const std::string_view on = args.pairs[Key::on];
  if (on.empty()) return Request(Help{});
  std::string name = ascii_lower(on);
  if (find_command(name) == nullptr) {
    return invalid("no command " + quoted(on) + "; command help lists them");
  }
  return Request(Help{std::move(name)});
}

Result<Request> build_user(const Arguments& args) {
  auto key = args.key();
  if (!key) return key.error();
  return Request(GetUser{std::move(*key)});
}

Result<Request> build_certificate(const Arguments& args) {
  auto key = args.key();
  if (!key) return key.error();
  auto der = decode_base64(args.pairs[Key::der]);
  if (!der) return invalid("der is not base64; write the certificate's DER in base64, one line");
  return Request(AddCertificate{std::move(*der), std::move(*key)});
}

Result<Request> build_confirm(const Arguments& args) {
  auto token = Token::parse(args.pairs[Key::token]);
  if (!token) return token.error();
  return Request(ConfirmToken{std::move(*token), {}});
}

Result<Request> build_notify(const Arguments& args) {
  auto key = args.key();
  if (!key) return key.error();
  const auto mail = optionally<bool>(args.pairs[Key::mail], parse_switch);
  if (!mail) return mail.error();
  const auto digest = optionally<Digest>(args.pairs[Key::digest], parse_digest);
  if (!digest) return digest.error();
  return Request(SetNotify{std::move(*key), *mail, *digest});
}

template <class T>
Result<Request> build_after_number(const Arguments& args) {
  const std::string_view after = args.pairs[Key::after];
  if (after.empty()) return Request(T{});
  const auto number = parse_number("after", after);
  if (!number) return number.error();
  return Request(T{*number});
}

template <class T>
Result<Request> build_account(const Arguments& args) {
  auto account = parse_account_name(args.pairs[Key::account]);
  if (!account) return account.error();
  return Request(T{std::move(*account)});
}

Result<Request> build_keys(const Arguments& args) {
  auto account = parse_account_name(args.pairs[Key::account]);
  if (!account) return account.error();
  const auto after = optionally<KeyTag>(args.pairs[Key::after], parse_key_tag);
  if (!after) return after.error();
  return Request(ListKeys{std::move(*account), *after});
}

Result<Request> build_revoke(const Arguments& args) {
  const auto tag = parse_key_tag(args.pairs[Key::key]);
  if (!tag) return tag.error();
  return Request(RevokeKey{*tag});
}

Result<Request> build_quota(const Arguments& args) {
  auto account = parse_account_name(args.pairs[Key::account]);
  if (!account) return account.error();
  const auto names = parse_number("names", args.pairs[Key::names]);
  if (!names) return names.error();
  if (*names > kNamesPerKeyMost) return invalid("names is more than a key can have");
  return Request(SetQuota{std::move(*account), static_cast<std::uint32_t>(*names)});
}

// In the order of the table, which is the order of the Request variant.
using Builder = Result<Request> (*)(const Arguments&);
constexpr std::array<Builder, std::variant_size_v<Request>> kBuilders{
    build_plain<NewKey>,
    build_claim,
    build_add,
    build_expiration,
    build_domains,
    build_name<RemoveDomain>,
    build_name<ScanDomain>,
    build_addresses,
    build_name<CheckDomain>,
    build_plain<Ping>,
    build_help,
    build_plain<GetStatus>,
    build_user,
    build_certificate,
    build_confirm,
    build_notify,
    build_after_number<ListAccounts>,
    build_keys,
    build_revoke,
    build_account<VerifyAccount>,
    build_account<BlockAccount>,
    build_account<UnblockAccount>,
    build_quota,
    build_account<DeleteAccount>,
    build_after_number<ListDeadLetters>,
};

// Every key given is one the command takes, every one it needs is there.
Result<> check_arity(const CommandRow& row, const Pairs& pairs) {
  const auto takes = [&](std::string_view key) {
    return std::any_of(row.arguments.begin(), row.arguments.end(),
                       [&](const ArgumentRow& a) { return a.key == key; });
  };
  for (std::size_t i = 1; i < kKeys.size(); ++i) {
    if (pairs.has(i) && !takes(kKeys[i])) {
      return malformed("command " + std::string(row.name) + " takes no " + std::string(kKeys[i]) +
                       "; write: " + command_usage(row));
    }
  }
  for (const ArgumentRow& argument : row.arguments) {
    const auto* const key = std::find(kKeys.begin(), kKeys.end(), argument.key);
    const bool given = pairs.has(static_cast<std::size_t>(key - kKeys.begin()));
    if (argument.need == Need::required && !given) {
      return malformed("command " + std::string(row.name) + " needs " + std::string(argument.key) +
                       "; write: " + command_usage(row));
    }
  }
  return {};
}

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

}  // namespace

bool same_word(std::string_view text, std::string_view lower_case_word) {
  return text.size() == lower_case_word.size() &&
         std::equal(text.begin(), text.end(), lower_case_word.begin(),
                    [](char a, char b) { return lower(a) == b; });
}

Result<> Pairs::put(std::string_view key, std::string_view value) {
  const auto* const known = std::find_if(kKeys.begin(), kKeys.end(),
                                         [&](std::string_view k) { return same_word(key, k); });
  if (known == kKeys.end()) {
    return malformed("unknown key " + quoted(key) +
                     "; a request is pairs of key and value, see: command help");
  }
  auto& slot = values_[static_cast<std::size_t>(known - kKeys.begin())];
  if (!slot.empty()) {
    return malformed("key " + std::string(*known) + " is given twice; give it once");
  }
  if (value.empty()) {
    return malformed("key " + std::string(*known) + " has no value; write: " + std::string(*known) +
                     " VALUE");
  }
  slot = value;
  return {};
}

Result<Request> build_request(const CommandRow& row, const Pairs& pairs, const DomainRules& rules) {
  const auto arity = check_arity(row, pairs);
  if (!arity) return arity.error();
  const auto index = static_cast<std::size_t>(&row - command_table().data());
  return kBuilders[index](Arguments{pairs, rules});
}

Result<Request> parse_arguments(const CommandRow& row, std::span<const ArgumentText> arguments,
                                const DomainRules& rules) {
  Pairs pairs;
  for (const ArgumentText& argument : arguments) {
    const auto stored = pairs.put(argument.key, argument.value);
    if (!stored) return stored.error();
  }
  return build_request(row, pairs, rules);
}

}  // namespace certline
