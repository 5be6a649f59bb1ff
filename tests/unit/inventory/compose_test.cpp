// Messages as people read them: titles, the text for each host, advice, and which incidents share a
// message.
#include "inventory/compose.hpp"

#include <catch2/catch.hpp>

#include "inventory/advice.hpp"
#include "inventory/schedule.hpp"
#include "inventory/wording.hpp"

using namespace certline;

namespace {

constexpr UtcTime kNow = 1'800'000'000;  // 2027-01-15

Sha256 leaf(std::uint8_t n) {
  Sha256 out{};
  out.fill(n);
  return out;
}

AddressRecord address(std::uint8_t last, ScanState state, std::uint8_t shown,
                      const std::string& detail = "") {
  AddressRecord out;
  out.address = IpAddress::v4(0xc0000200u + last);
  out.state = state;
  out.detail = detail;
  out.last_scan_utc = kNow - 240;
  out.last_certificate_utc = shown != 0 ? kNow - 240 : kNow - 3 * kDay;
  if (shown == 0) return out;
  out.chain = {leaf(shown)};
  out.not_after_utc = kNow + shown * kDay;
  return out;
}

HostFacts host(std::vector<AddressRecord> addresses, const std::string& name = "www.example.org") {
  HostFacts out;
  out.name = name;
  out.subject = leaf(5);
  out.not_after_utc = kNow + 5 * kDay;
  out.addresses = std::move(addresses);
  out.endpoint.emplace();
  out.endpoint->host = "www.example.org";
  out.endpoint->last_scan_utc = kNow - 240;
  return out;
}

Message message(EventKind event, HostFacts facts, EventKind about = EventKind::test) {
  MessageFacts out;
  out.event = event;
  out.about = about;
  out.begun_utc = kNow - 3600;
  out.hosts = {std::move(facts)};
  return compose(out, kNow);
}

bool has(const std::string& text, std::string_view part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("Each scan state has words of its own") {
  for (int n = 0; n < 256; ++n) {
    const auto state = scan_state_by_number(static_cast<std::uint8_t>(n));
    if (!state) continue;
    INFO(scan_state_name(*state));
    CHECK(phrase(*state).find('_') == std::string::npos);
    CHECK_FALSE(phrase(*state).empty());
  }
}

TEST_CASE("Dates and spans") {
  CHECK(day_text(kNow) == "2027-01-15");
  CHECK(day_text(0) == "1970-01-01");
  CHECK(duration(0) == "1 minute");
  CHECK(duration(kHour) == "1 hour");
  CHECK(duration(2 * kDay - 1) == "47 hours");
  CHECK(duration(2 * kDay) == "2 days");
  CHECK(ends_text(kNow + 12 * kDay, kNow) == "ends in 12 days (2027-01-27)");
  CHECK(ends_text(kNow - 3 * kDay, kNow) == "expired 3 days ago (2027-01-12)");
  CHECK(joined({"a", "b", "c", "d"}, 2) == "a, b and 2 more");
  CHECK(counted(1, "address") == "1 address");
  CHECK(counted(2, "address") == "2 addresses");
}

TEST_CASE("Silent addresses are counted and named") {
  const HostFacts facts = host({address(1, ScanState::ok, 5), address(2, ScanState::refused, 0),
                                address(7, ScanState::timeout, 0)});
  const Message m = message(EventKind::unreachable, facts);
  CHECK(m.severity == Severity::critical);
  CHECK(m.title == "www.example.org does not answer");
  REQUIRE(m.hosts.size() == 1);
  CHECK(m.hosts[0].state ==
        "2 of 3 addresses do not answer (192.0.2.2: connection refused, 192.0.2.7: no answer in "
        "time)");
  CHECK(m.hosts[0].addresses == std::vector<std::string>{"192.0.2.2", "192.0.2.7"});
  CHECK(m.hosts[0].seen_utc == kNow - 240);
  CHECK(has(m.hosts[0].advice, "systemctl status nginx"));
}

TEST_CASE("A certificate that is not there now is told with its age, never as 0 days left") {
  const Message m = message(EventKind::renewal_overdue, host({address(1, ScanState::timeout, 0)}));
  REQUIRE(m.hosts.size() == 1);
  CHECK(m.hosts[0].state ==
        "ends in 5 days (2027-01-20); as last seen 3 days ago, since when does not answer "
        "(192.0.2.1: no answer in time)");
  CHECK(m.hosts[0].seen_utc == kNow - 3 * kDay);
  HostFacts gone = host({address(1, ScanState::ok, 5)});
  gone.endpoint->problem = ScanState::no_address;
  CHECK(has(message(EventKind::expired, gone).hosts[0].state,
            "since when no look was possible: the name has no address"));
}

TEST_CASE("Which address still serves the old one") {
  HostFacts facts = host(
      {address(1, ScanState::ok, 5), address(2, ScanState::ok, 5), address(7, ScanState::ok, 3)});
  const Message m = message(EventKind::old_certificate, facts);
  CHECK(m.hosts[0].state ==
        "192.0.2.7 still serves another certificate; 2 of 3 addresses the announced one");
  CHECK(has(m.hosts[0].advice, "nginx -t && systemctl reload nginx"));
  CHECK(has(message(EventKind::addresses_disagree, facts).hosts[0].state,
            "192.0.2.1, 192.0.2.2 serve 05050505"));
  const Message renewed = message(EventKind::renewed, host({address(1, ScanState::ok, 5)}));
  CHECK(renewed.hosts[0].state == "serves it on all of 1 address");
  CHECK(renewed.severity == Severity::good);
}

TEST_CASE("Verdicts name address, reason and what is missing") {
  HostFacts facts =
      host({address(1, ScanState::ok, 5),
            address(2, ScanState::incomplete_chain, 5,
                    "the issuer \"R11\" of \"www.example.org\" was not sent and is not a root")});
  facts.stage = static_cast<std::uint8_t>(ScanState::incomplete_chain);
  const Message m = message(EventKind::verdict, facts);
  CHECK(m.severity == Severity::warning);
  CHECK(has(m.title, "sent without its intermediate"));
  CHECK(has(m.hosts[0].state, "1 of 2 addresses (192.0.2.2): the issuer \"R11\""));
  CHECK(has(m.hosts[0].advice, "the intermediate \"R11\""));
  facts.stage = static_cast<std::uint8_t>(ScanState::wrong_host);
  CHECK(message(EventKind::verdict, facts).severity == Severity::critical);
}

TEST_CASE("Each event that concerns people has title and text, and an end that is said") {
  for (std::uint8_t n = 1; n <= kEventKindCount; ++n) {
    const EventKind kind = *event_by_number(n);
    if (kind == EventKind::recovered || kind == EventKind::digest || kind == EventKind::test ||
        kind == EventKind::mail_confirmation) {
      continue;
    }
    INFO(event_name(kind));
    const HostFacts facts = host({address(1, ScanState::ok, 5)});
    const Message m = message(kind, facts);
    const bool of_daemon = kind == EventKind::scanner_stalled || kind == EventKind::mass_outage;
    if (!of_daemon) CHECK(has(m.title, "www.example.org"));
    CHECK(m.title.find('_') == std::string::npos);
    CHECK_FALSE(m.text.empty());
    if (kind == EventKind::renewed) continue;
    const Message over = message(EventKind::recovered, facts, kind);
    CHECK(over.severity == Severity::good);
    CHECK(over.about == kind);
    CHECK(over.title != m.title);
    CHECK(over.title.find('_') == std::string::npos);
  }
}

TEST_CASE("The command fits the server behind the port") {
  struct Row {
    std::uint16_t port;
    Starttls starttls;
    std::string_view command;
  };
  const std::vector<Row> rows = {
      {443, Starttls::none, "`nginx -t && systemctl reload nginx` (or apache2, haproxy"},
      {25, Starttls::smtp, "systemctl reload postfix"},
      {587, Starttls::smtp, "systemctl reload postfix"},
      {465, Starttls::none, "systemctl reload postfix"},
      {993, Starttls::none, "systemctl reload dovecot"},
      {143, Starttls::imap, "systemctl reload dovecot"},
      {110, Starttls::pop3, "systemctl reload dovecot"},
      {4190, Starttls::sieve, "systemctl reload dovecot"},
      {21, Starttls::ftp, "systemctl restart vsftpd"},
      {389, Starttls::ldap, "systemctl restart slapd"},
      {636, Starttls::none, "systemctl restart slapd"},
      {5222, Starttls::xmpp_client, "prosodyctl reload"},
      {5269, Starttls::xmpp_server, "prosodyctl reload"},
      {5432, Starttls::postgres, "systemctl reload postgresql"},
      {3306, Starttls::mysql, "ALTER INSTANCE RELOAD TLS"},
      {119, Starttls::nntp, "systemctl reload inn2"},
      {12345, Starttls::none, "ss -ltnp 'sport = :12345'"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.port);
    CHECK(has(reload_command(row.port, row.starttls), row.command));
  }
}

TEST_CASE("Each trouble has one line of advice") {
  for (int n = 0; n < 256; ++n) {
    const auto state = scan_state_by_number(static_cast<std::uint8_t>(n));
    if (!state || *state == ScanState::ok) continue;
    INFO(scan_state_name(*state));
    for (const EventKind event : {EventKind::verdict, EventKind::unreachable}) {
      const std::string text = advice({event, *state, "www.example.org", 443, Starttls::none, ""});
      CHECK_FALSE(text.empty());
      CHECK(text.find('\n') == std::string::npos);
      CHECK(std::count(text.begin(), text.end(), '`') % 2 == 0);
    }
  }
  const AdviceFacts lookup{
      EventKind::could_not_check, ScanState::no_address, "a.example.org", 443, Starttls::none, ""};
  CHECK(has(advice(lookup), "dig a.example.org A a.example.org AAAA"));
  const AdviceFacts hostile{EventKind::verdict, ScanState::incomplete_chain,
                            "a.example.org",    443,
                            Starttls::none,     "the issuer \"`reboot`\" of \"x\" was not sent"};
  CHECK(has(advice(hostile), "\"'reboot'\""));
}

TEST_CASE("What goes together") {
  const auto incident = [](EventKind event, std::uint8_t subject, std::uint8_t stage = 0) {
    return Incidents::value_type{{1, event, leaf(subject), stage}, {}};
  };
  Incidents few;
  for (std::uint8_t n = 0; n < 5; ++n) few.push_back(incident(EventKind::expired, n));
  CHECK(group_incidents(few).size() == 5);
  few.push_back(incident(EventKind::expired, 9));
  CHECK(group_incidents(few).size() == 1);

  CHECK(group_incidents(Incidents{incident(EventKind::unreachable, 1),
                                  incident(EventKind::unreachable, 2),
                                  incident(EventKind::could_not_check, 3)})
            .size() == 2);
  CHECK(group_incidents(
            Incidents{incident(EventKind::verdict, 1, 12), incident(EventKind::verdict, 1, 15)})
            .size() == 2);
  const auto over = [&](EventKind about, std::uint8_t subject) {
    return incident(EventKind::recovered, subject, static_cast<std::uint8_t>(about));
  };
  CHECK(group_incidents(Incidents{over(EventKind::unreachable, 1), over(EventKind::unreachable, 2),
                                  over(EventKind::verdict, 3), over(EventKind::expired, 4)})
            .size() == 3);
}

TEST_CASE("The digest keeps the soonest, and counts the rest") {
  DigestFacts facts;
  WatchRecord watch;
  for (int n = 0; n < 300; ++n) {
    EndpointRecord endpoint;
    endpoint.host = "h" + std::to_string(n) + ".example.org";
    endpoint.last_scan_utc = kNow - kHour;
    endpoint.certificate_found = true;
    endpoint.problem = n % 3 == 0 ? ScanState::timeout : ScanState::ok;
    endpoint.not_after_utc = kNow + ((n * 7) % 300) * kDay / 10;
    endpoint.renewal_due_utc = endpoint.not_after_utc - 28 * kDay;
    add_name(facts, endpoint.host, watch, endpoint, kNow);
  }
  watch.resting = true;
  add_name(facts, "resting.example.org", watch, EndpointRecord{}, kNow);
  watch.resting = false;
  add_name(facts, "new.example.org", watch, EndpointRecord{}, kNow);
  const Message m = compose_digest(facts, Digest::daily, kNow);
  CHECK(m.title == "Daily summary: 302 names, 300 ending within 30 days, 100 problems");
  CHECK(has(m.text, "302 names watched, 200 fine, 1 not looked at yet, 1 resting."));
  REQUIRE(m.hosts.size() == 200);
  CHECK(m.more_hosts == 200);
  CHECK(m.hosts[100].name == "h0.example.org");
  CHECK(has(m.hosts[199].state, "ends in 9 days"));
}
