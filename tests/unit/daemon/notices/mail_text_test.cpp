// The text of mails, with hostile text from certificates and servers.
#include "daemon/notices/mail_text.hpp"
#include "daemon/notices/chat_text.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <catch2/catch.hpp>

#include "daemon/notices/message_json.hpp"

namespace certline::notices {

namespace {

constexpr UtcTime kNow = 1'800'000'000;  // 2027-01-15 08:00:00 UTC

Message sample() {
  Message m;
  m.id = "7c0b8e5d-3f12-4a9e-8d64-5b1f2e6a9c70";
  m.event = EventKind::old_certificate;
  m.severity = Severity::warning;
  m.account = 7;
  m.created_utc = kNow - 60;
  m.title = "old certificate still served: www.example.org";
  m.text = "The certificate that was announced is not served.\nSince yesterday.";
  m.certificate_sha256 = std::string(64, 'a');
  m.subject = "CN=www.example.org";
  m.issuer = "CN=Some Authority";
  m.not_after_utc = kNow + 4 * 86'400;
  m.hosts.push_back({"www.example.org",
                     "serves the old certificate",
                     "systemctl reload nginx",
                     {"192.0.2.1", "2001:db8::1"},
                     kNow - 600});
  m.more_hosts = 2;
  m.unsubscribe = "https://certline.example.org/unsubscribe/0-1";
  return m;
}

std::size_t widest(const std::string& text) {
  std::size_t most = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    most = std::max(most, end - at);
    at = end + 1;
  }
  return most;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != text.npos;
}

}  // namespace

TEST_CASE("a message keeps everything as JSON") {
  const Message m = sample();
  const auto parsed = parse_message(message_json(m));
  REQUIRE(parsed.has_value());
  CHECK(message_json(*parsed) == message_json(m));
  CHECK(parsed->hosts[0].addresses == m.hosts[0].addresses);
  CHECK(parsed->unsubscribe == m.unsubscribe);
  CHECK(parsed->not_after_utc == m.not_after_utc);
  CHECK(parsed->more_hosts == 2);
  CHECK(parsed->severity == Severity::warning);

  Message over = m;
  over.event = EventKind::recovered;
  over.about = EventKind::unreachable;
  CHECK(parse_message(message_json(over))->about == EventKind::unreachable);
}

TEST_CASE("what is no message is refused") {
  const std::string good = message_json(sample());
  CHECK_FALSE(parse_message("").has_value());
  CHECK_FALSE(parse_message("[]").has_value());
  CHECK_FALSE(parse_message("{}").has_value());
  for (const std::string_view member : {"\"id\"", "\"event\"", "\"severity\"", "\"hosts\"",
                                        "\"seen_utc\"", "\"sha256\"", "\"created_utc\""}) {
    std::string bad = good;
    bad.replace(bad.find(member), member.size(), "\"other\"");
    CHECK_FALSE(parse_message(bad).has_value());
  }
}

TEST_CASE("hostile bytes become valid UTF-8 without control characters") {
  CHECK(clean_text("a\x1b[31mb\r\nc", false) ==
        "a\xef\xbf\xbd[31mb\xef\xbf\xbd\xef\xbf\xbd"
        "c");
  CHECK(clean_text("a\nb", true) == "a\nb");
  CHECK(clean_text("\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x92", false) ==
        "\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x92");
  for (const std::string_view bad : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\xc3",
                                     "\xe0\x80\x80", "\xc2\x9b"}) {
    const std::string clean = clean_text(bad, false);
    for (std::size_t i = 0; i < clean.size(); i += 3) CHECK(clean.substr(i, 3) == "\xef\xbf\xbd");
    CHECK_FALSE(clean.empty());
  }
  Message m = sample();
  m.subject = "CN=\xff\x01";
  CHECK(parse_message(message_json(m)).has_value());
}

TEST_CASE("webhooks get the age and no link for unsubscribing") {
  const auto value = boost::json::parse(webhook_json(sample(), kNow));
  CHECK(value.at("age_s").as_int64() == 600);
  CHECK_FALSE(value.as_object().contains("unsubscribe"));
  CHECK(value.at("hosts").at(0).at("advice").as_string() == "systemctl reload nginx");
}

TEST_CASE("plain text fits a terminal and says all there is") {
  Message m = sample();
  m.text +=
      std::string(" and so on") + std::string(40, 'x') + " word word word word word word word";
  const MailText mail = render_mail(m, kNow);
  CHECK(mail.subject == m.title);
  CHECK(widest(mail.text) <= 80);
  for (const std::string_view part :
       {"old certificate still served: www.example.org\n", "subject  CN=www.example.org",
        "expires  2027-01-19 08:00 UTC, in 4 days", "address  192.0.2.1, 2001:db8::1",
        "seen     2027-01-15 07:50 UTC, 10 minutes ago", "to do    systemctl reload nginx",
        "and 2 more hosts", "data 10 minutes old", "No more of these:\nhttps://certline"}) {
    INFO(mail.text);
    CHECK(has(mail.text, part));
  }
  m.not_after_utc = kNow - 3 * 86'400;
  CHECK(has(render_mail(m, kNow).text, "expired  2027-01-12 08:00 UTC, 3 days ago"));
}

TEST_CASE("HTML escapes everything and refers to nothing elsewhere") {
  Message m = sample();
  m.title = "<script>alert(1)</script>";
  m.text = "see https://certline.example.org/confirm/1.2 \"now\" & <img src=x>";
  m.subject = "CN=<b>'x'";
  m.hosts[0].name = "<iframe>";
  m.hosts[0].advice = "`nginx -t && systemctl reload nginx`\nhttp://\"onmouseover=alert(1)";
  const std::string html = render_mail(m, kNow).html;
  for (const std::string_view bad : {"<script", "<img", "<iframe", "<b>", "<link", "@import",
                                     "url(", "\"onmouse", "href=\"http://"}) {
    INFO(html);
    CHECK_FALSE(has(html, bad));
  }
  CHECK(has(html, "<a href=\"https://certline.example.org/confirm/1.2\">"));
  CHECK(has(html, "<code>nginx -t &amp;&amp; systemctl reload nginx</code><br>"));
  CHECK(has(html, "in 4 days"));
  CHECK(has(html, ">No more of these</a>"));
}

TEST_CASE("a mail that was asked for has no footer") {
  Message m;
  m.id = "x";
  m.event = EventKind::mail_confirmation;
  m.title = "Confirm your address";
  m.text = "Follow https://certline.example.org/confirm/0.1 or type:\n\ncommand confirm token 0.1";
  const MailText mail = render_mail(m, kNow);
  CHECK(mail.text == "Confirm your address\n\n" + m.text + "\n");
  CHECK_FALSE(has(mail.html, "<hr>"));
}

TEST_CASE("a command is not broken where it fits a line") {
  CHECK(wrapped("see `a b`, then `cc dd` and on", "  ", 16) ==
        "  see `a b`,\n  then `cc dd`\n  and on\n");
  CHECK(wrapped("`aaaa bbbb cccc dddd eeee`", "", 12) == "`aaaa bbbb\ncccc dddd\neeee`\n");
  CHECK(wrapped("a ` b", "", 3) == "a `\nb\n");
  CHECK(wrapped("", "", 80) == "\n");
}

TEST_CASE("spans keep at least two of a unit") {
  CHECK(span_text(0) == "0 seconds");
  CHECK(span_text(1) == "1 second");
  CHECK(span_text(119) == "119 seconds");
  CHECK(span_text(7'199) == "119 minutes");
  CHECK(span_text(47 * 3'600) == "47 hours");
  CHECK(span_text(48 * 3'600) == "2 days");
}

TEST_CASE("chats and phones get what fits") {
  Message m = sample();
  m.title = "a & <b>";
  for (int i = 0; i < 500; ++i)
    m.hosts.push_back({"h" + std::to_string(i) + ".example.org", "\xe2\x82\xac", "", {}, 0});
  const auto slack = boost::json::parse(slack_json(m, kNow));
  CHECK(slack.at("text").as_string() == "a &amp; &lt;b&gt;");
  const auto& attachment = slack.at("attachments").at(0);
  CHECK(attachment.at("color").as_string() == "#f9a825");
  const std::string text(attachment.at("blocks").at(0).at("text").at("text").as_string());
  CHECK(text.size() <= 3000);
  CHECK(has(text, "systemctl reload nginx"));
  CHECK(has(text, "and 493 more"));

  m.title = "\xe2\x82\xac\r\nX-Evil: 1 and a long title that needs more than one encoded word";
  m.text = std::string(9000, 'x');
  const NtfyText ntfy = ntfy_text(m, kNow);
  CHECK(ntfy.body.size() <= 4096);
  for (const auto& [name, value] : ntfy.headers) CHECK_FALSE(has(value, "\n"));
  CHECK(ntfy.headers[0].second.starts_with("=?UTF-8?B?"));
  CHECK(ntfy.headers[1] == std::pair<std::string, std::string>("Priority", "4"));
}

}  // namespace certline::notices
