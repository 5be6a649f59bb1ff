// An unsubscribe link must work years later, and the store keeps nothing for it. So the link is
// signed, not stored. incident_messages.cpp puts these links into mails.
#include "daemon/notices/links.hpp"

#include <charconv>

#include "pki/digest.hpp"

namespace certline::notices {
namespace {

constexpr std::size_t kIdDigits = 16;
constexpr std::size_t kMacBytes = 16;

std::string id_text(AccountId account) {
  std::array<std::uint8_t, 8> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(account >> 8 * (bytes.size() - 1 - i));
  }
  return hex(bytes);
}

std::string mac_text(const store::ReadView& view, std::string_view id) {
  const Sha256 secret = view.secret();
  const std::string_view key(reinterpret_cast<const char*>(secret.data()), secret.size());
  return hex(pki::hmac_sha256(key, "unsubscribe" + std::string(id)).data(), kMacBytes);
}

}  // namespace

std::string unsubscribe_token(const store::ReadView& view, AccountId account) {
  const std::string id = id_text(account);
  return id + '-' + mac_text(view, id);
}

std::string unsubscribe_link(const runtime::Config& config, const store::ReadView& view,
                             AccountId account) {
  return token_link(config, TokenPurpose::unsubscribe, unsubscribe_token(view, account));
}

std::optional<AccountId> unsubscribed_account(const store::ReadView& view, std::string_view token) {
  if (token.size() != kIdDigits + 1 + 2 * kMacBytes || token[kIdDigits] != '-') return std::nullopt;
  const std::string_view id = token.substr(0, kIdDigits);
  // Digests of both are compared, so that the time taken says nothing about the MAC.
  const bool right = pki::equal_constant_time(pki::sha256(token.substr(kIdDigits + 1)),
                                              pki::sha256(mac_text(view, id)));
  AccountId account = 0;
  std::from_chars(id.data(), id.data() + id.size(), account, 16);
  return right ? std::optional(account) : std::nullopt;
}

std::string token_link(const runtime::Config& config, TokenPurpose purpose,
                       std::string_view token) {
  if (config.http.public_url.empty()) return {};
  return config.http.public_url + '/' + std::string(purpose_name(purpose)) + '/' +
         std::string(token);
}

bool can_get_mail(std::string_view address) {
  return !address.ends_with(".invalid");
}

}  // namespace certline::notices
