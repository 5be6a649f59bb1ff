// Messages wait in the store as JSON and not in a record format. Only the notifier reads them, once
// each, and webhooks and programs get the same JSON. Next: notifier.cpp.
#include "daemon/notices/message_json.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "protocol/text_limits.hpp"

namespace certline::notices {
namespace {

namespace json = boost::json;

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

json::string line(std::string_view text) {
  return json::string(clean_text(text, false));
}

json::object host_object(const MessageHost& host) {
  json::array addresses;
  for (const std::string& address : host.addresses) addresses.emplace_back(line(address));
  return {{"name", line(host.name)},
          {"state", line(host.state)},
          {"advice", line(host.advice)},
          {"addresses", std::move(addresses)},
          {"seen_utc", host.seen_utc}};
}

json::object message_object(const Message& m) {
  json::object out{{"id", line(m.id)},
                   {"event", event_name(m.event)},
                   {"severity", severity_name(m.severity)},
                   {"account", m.account},
                   {"created_utc", m.created_utc},
                   {"title", line(m.title)},
                   {"text", json::string(clean_text(m.text, true))}};
  if (m.event == EventKind::recovered) out["about"] = event_name(m.about);
  if (!m.certificate_sha256.empty()) {
    out["certificate"] = json::object{{"sha256", line(m.certificate_sha256)},
                                      {"subject", line(m.subject)},
                                      {"issuer", line(m.issuer)},
                                      {"not_after_utc", m.not_after_utc}};
  }
  json::array hosts;
  for (const MessageHost& host : m.hosts) hosts.emplace_back(host_object(host));
  out["hosts"] = std::move(hosts);
  out["more_hosts"] = m.more_hosts;
  return out;
}

// Reads members, and remembers whether one was not what it should be.
class Reader {
 public:
  explicit Reader(const json::object& object) : object_(object) {}

  std::string text(std::string_view name) {
    const json::value* value = object_.if_contains(name);
    if (value == nullptr || !value->is_string()) return missing(std::string());
    return std::string(value->get_string());
  }
  template <class Number>
  Number number(std::string_view name) {
    const json::value* value = object_.if_contains(name);
    boost::system::error_code ec;
    const Number n = value == nullptr ? Number{} : value->to_number<Number>(ec);
    return value == nullptr || ec ? missing(Number{}) : n;
  }
  // Of the years 0000 to 9999, so that differences of two fit as well.
  UtcTime time(std::string_view name) {
    constexpr UtcTime kFirst = -62'167'219'200, kLast = 253'402'300'799;
    const UtcTime when = number<UtcTime>(name);
    return when >= kFirst && when <= kLast ? when : missing(UtcTime{0});
  }
  const json::array& array(std::string_view name) {
    static const json::array kNone;
    const json::value* value = object_.if_contains(name);
    if (value != nullptr && value->is_array()) return value->get_array();
    good_ = false;
    return kNone;
  }
  EventKind event(std::string_view name) {
    const std::string word = text(name);
    for (std::uint8_t n = 1; n <= kEventKindCount; ++n) {
      const auto kind = event_by_number(n);
      if (kind && event_name(*kind) == word) return *kind;
    }
    return missing(EventKind::test);
  }
  Severity severity() {
    const std::string word = text("severity");
    for (const Severity s :
         {Severity::good, Severity::notice, Severity::warning, Severity::critical}) {
      if (severity_name(s) == word) return s;
    }
    return missing(Severity::notice);
  }
  bool good() const { return good_; }

 private:
  template <class T>
  T missing(T value) {
    good_ = false;
    return value;
  }

  const json::object& object_;
  bool good_ = true;
};

bool read_host(MessageHost& host, const json::value& value) {
  if (!value.is_object()) return false;
  Reader reader(value.get_object());
  host.name = reader.text("name");
  host.state = reader.text("state");
  host.advice = reader.text("advice");
  host.seen_utc = reader.time("seen_utc");
  for (const json::value& address : reader.array("addresses")) {
    if (!address.is_string()) return false;
    host.addresses.emplace_back(address.get_string());
  }
  return reader.good();
}

bool read_message(Message& m, const json::object& object) {
  Reader reader(object);
  m.id = reader.text("id");
  m.event = reader.event("event");
  if (m.event == EventKind::recovered) m.about = reader.event("about");
  m.severity = reader.severity();
  m.account = reader.number<AccountId>("account");
  m.created_utc = reader.time("created_utc");
  m.title = reader.text("title");
  m.text = reader.text("text");
  m.more_hosts = reader.number<std::size_t>("more_hosts");
  if (object.contains("unsubscribe")) m.unsubscribe = reader.text("unsubscribe");
  for (const json::value& value : reader.array("hosts")) {
    if (!read_host(m.hosts.emplace_back(), value)) return false;
  }
  if (const json::value* certificate = object.if_contains("certificate")) {
    if (!certificate->is_object()) return false;
    Reader inner(certificate->get_object());
    m.certificate_sha256 = inner.text("sha256");
    m.subject = inner.text("subject");
    m.issuer = inner.text("issuer");
    m.not_after_utc = inner.time("not_after_utc");
    if (!inner.good()) return false;
  }
  return reader.good();
}

}  // namespace

std::string clean_text(std::string_view text, bool lines) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t size = utf8_length(text);
    const auto first = static_cast<std::uint8_t>(text[0]);
    const bool c1 = size == 2 && first == 0xc2 && static_cast<std::uint8_t>(text[1]) < 0xa0;
    const bool control = size == 1 && (first < 0x20 || first == 0x7f);
    const bool kept = size != 0 && !c1 && (!control || (lines && text[0] == '\n'));
    out += kept ? text.substr(0, size) : kReplacement;
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return out;
}

UtcTime age_s(const Message& message, UtcTime now) {
  UtcTime oldest = 0;
  for (const MessageHost& host : message.hosts) {
    if (host.seen_utc != 0 && (oldest == 0 || host.seen_utc < oldest)) oldest = host.seen_utc;
  }
  return std::max<UtcTime>(0, now - (oldest == 0 ? message.created_utc : oldest));
}

std::string message_json(const Message& message) {
  json::object out = message_object(message);
  if (!message.unsubscribe.empty()) out["unsubscribe"] = line(message.unsubscribe);
  return json::serialize(out);
}

std::string webhook_json(const Message& message, UtcTime now) {
  json::object out = message_object(message);
  out["age_s"] = age_s(message, now);
  return json::serialize(out);
}

Result<Message> parse_message(std::string_view text) {
  boost::system::error_code ec;
  const json::value value = json::parse(text, ec);
  Message message;
  if (ec || !value.is_object() || !read_message(message, value.get_object())) {
    return Error{ErrorKind::malformed, "not a message: " + quoted(text)};
  }
  return message;
}

}  // namespace certline::notices
