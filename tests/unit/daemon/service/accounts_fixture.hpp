#pragma once
// A service that asks for addresses to be confirmed, and a test's way to read its mails and its
// audit.

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <sstream>

#include "daemon/notices/message_json.hpp"
#include "tests/unit/daemon/service/service_fixture.hpp"

namespace certline::service {

using namespace runtime;
using namespace notices;
using namespace scans;

inline const std::string kThird = "cccccccccccccccc0003";
inline const std::string kOwner = "owner@example.org";

inline Config confirming() {
  Config config;
  config.verification = Verification::email;
  config.smtp.server = "127.0.0.1:25";
  config.http.public_url = "https://watch.example.net";
  return config;
}

struct AccountsFixture : ServiceFixture {
  explicit AccountsFixture(Config config = confirming()) : ServiceFixture(std::move(config)) {}

  int claim(const std::string& email, const std::string& key) {
    return code("command claim email " + email + " apikey " + key);
  }
  int add(const std::string& domain, const std::string& key) {
    return code("command add domain " + domain + " apikey " + key);
  }
  int confirm(const std::string& token) { return code("command confirm token " + token); }
  std::string administrate(const std::string& request) {
    caller.administrator = true;
    const std::string said = line(request);
    caller.administrator = false;
    return said;
  }

  struct Mail {
    std::string to, title, text;
    std::map<std::string, std::string> tokens;  // by what they are for, as the links say
  };
  std::vector<Mail> mails() {
    std::vector<Mail> out;
    for (const DeliveryRecord& delivery : store->read().deliveries.all(0).first(1000)) {
      const auto message = parse_message(delivery.message);
      REQUIRE(message.has_value());
      REQUIRE(delivery.channel == "mail");
      REQUIRE(message->event == EventKind::mail_confirmation);
      Mail mail{delivery.to, message->title, message->text, {}};
      std::istringstream lines(message->text);
      for (std::string text; std::getline(lines, text);) {
        const std::string base = "  https://watch.example.net/";
        if (!text.starts_with(base)) continue;
        const auto slash = text.find('/', base.size());
        mail.tokens[text.substr(base.size(), slash - base.size())] = text.substr(slash + 1);
      }
      out.push_back(std::move(mail));
    }
    return out;
  }
  std::string token(const std::string& purpose) {
    const auto all = mails();
    REQUIRE_FALSE(all.empty());
    REQUIRE(all.back().tokens.contains(purpose));
    return all.back().tokens.at(purpose);
  }

  // "action account subject" of each row.
  std::vector<std::string> audit() {
    std::vector<std::string> out;
    for (const auto& [number, row] : store->read().audit.all(0).first(100'000)) {
      out.push_back(row.action + ' ' + std::to_string(row.account) + ' ' + row.subject);
    }
    return out;
  }
  bool audited(const std::string& beginning) {
    const auto rows = audit();
    return std::any_of(rows.begin(), rows.end(),
                       [&](const std::string& row) { return row.starts_with(beginning); });
  }

  KeyRecord key(const std::string& text) {
    return store->read().keys.find(pki::sha256(text)).value();
  }
  AccountRecord account_of(const std::string& text) {
    return store->read().accounts.find(key(text).account).value();
  }
  WatchRecord watch(const std::string& name, const std::string& text) {
    return store->read().watches.find(key(text).account, name).value();
  }
  EndpointRecord endpoint(const std::string& name, const std::string& text) {
    return store->read().endpoints.find(watch(name, text).endpoint).value();
  }
  // As the scan does that finds nothing when the trial is over.
  void rest(const std::string& name, const std::string& text) {
    WatchRecord resting = watch(name, text);
    EndpointRecord endpoint = store->read().endpoints.find(resting.endpoint).value();
    resting.resting = true;
    ++endpoint.resting;
    const auto outcome = store->write([&](store::WriteView& view) {
      view.endpoints.put(endpoint);
      view.watches.put(key(text).account, name, resting);
    });
    REQUIRE(outcome == store::CommitOutcome::committed);
  }
  bool is_due(const std::string& name, const std::string& text) {
    const EndpointId id = watch(name, text).endpoint;
    const auto due = store->read().endpoints.due({}, time).first(1000);
    return std::any_of(due.begin(), due.end(), [&](const DueEntry& e) { return e.endpoint == id; });
  }
};

}  // namespace certline::service
