#pragma once
// What a request means, as one line. Equal requests give equal lines, on either wire.

#include <optional>
#include <string>
#include <variant>

#include "protocol/request.hpp"

namespace certline::test {

struct RequestWords {
  std::string operator()(const NewKey&) const { return "apikey"; }
  std::string operator()(const ClaimKey& r) const {
    return "claim " + r.email.text() + (r.key ? key(*r.key) : "");
  }
  std::string operator()(const AddDomain& r) const {
    std::string text = "add " + r.domain.input() + ' ' + r.domain.canonical() + key(r.key);
    if (r.starttls) text += ' ' + std::string(starttls_name(*r.starttls));
    if (r.expected) text += ' ' + hex(*r.expected);
    return text;
  }
  std::string operator()(const GetExpiration& r) const {
    std::string text = "expiration " + r.domain.canonical() + key(r.key);
    if (r.ip) text += ' ' + r.ip->to_string();
    return text + ' ' + std::to_string(r.wait_s);
  }
  std::string operator()(const ListDomains& r) const {
    return "domains" + key(r.key) + (r.after ? ' ' + r.after->canonical() : "");
  }
  std::string operator()(const RemoveDomain& r) const {
    return "remove " + r.domain.canonical() + key(r.key);
  }
  std::string operator()(const ScanDomain& r) const {
    return "scan " + r.domain.canonical() + key(r.key);
  }
  std::string operator()(const ListAddresses& r) const {
    return "addresses " + r.domain.canonical() + key(r.key) +
           (r.after ? ' ' + r.after->to_string() : "");
  }
  std::string operator()(const CheckDomain& r) const {
    return "check " + r.domain.canonical() + key(r.key);
  }
  std::string operator()(const Ping&) const { return "ping"; }
  std::string operator()(const Help& r) const { return "help " + r.on.value_or(""); }
  std::string operator()(const GetStatus&) const { return "status"; }
  std::string operator()(const GetUser& r) const { return "user" + key(r.key); }
  std::string operator()(const AddCertificate& r) const {
    return "certificate " + hex(r.der.data(), r.der.size()) + key(r.key);
  }
  std::string operator()(const ConfirmToken& r) const {
    return "confirm " + r.token.text() +
           (r.purpose ? ' ' + std::string(purpose_name(*r.purpose)) : "");
  }
  std::string operator()(const SetNotify& r) const {
    std::string text = "notify" + key(r.key);
    if (r.mail) text += *r.mail ? " on" : " off";
    if (r.digest) text += ' ' + std::string(digest_name(*r.digest));
    return text;
  }
  std::string operator()(const ListAccounts& r) const {
    return "accounts " + std::to_string(r.after);
  }
  std::string operator()(const ListKeys& r) const {
    return "keys " + account(r.account) + (r.after ? ' ' + hex(*r.after) : "");
  }
  std::string operator()(const RevokeKey& r) const { return "revoke " + hex(r.key); }
  std::string operator()(const VerifyAccount& r) const { return "verify " + account(r.account); }
  std::string operator()(const BlockAccount& r) const { return "block " + account(r.account); }
  std::string operator()(const UnblockAccount& r) const { return "unblock " + account(r.account); }
  std::string operator()(const SetQuota& r) const {
    return "quota " + account(r.account) + ' ' + std::to_string(r.names);
  }
  std::string operator()(const DeleteAccount& r) const { return "delete " + account(r.account); }
  std::string operator()(const ListDeadLetters& r) const {
    return "deadletters " + std::to_string(r.after);
  }

  static std::string key(const ApiKey& k) { return ' ' + k.text(); }
  static std::string account(const AccountName& name) {
    if (const auto* email = std::get_if<Email>(&name)) return email->text();
    return std::to_string(std::get<std::uint64_t>(name));
  }
};

inline std::string describe(const Request& request) {
  return std::visit(RequestWords{}, request);
}

}  // namespace certline::test
