// Every protocol's dialogue against scripted servers, with each script cut at every point. The
// server's next turn comes after our previous line went out, as on a real connection.

#include "scanner/starttls.hpp"

#include <catch2/catch.hpp>

using namespace certline;
using namespace certline::scanner;
using namespace std::string_literals;
using Next = StarttlsStep::Next;

namespace {

std::span<const std::uint8_t> bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

struct Outcome {
  Next next = Next::read;
  ScanState state = ScanState::pending;
  std::string sent, detail;
};

// `cut_turn`, `cut_at`: where one of the turns is split in two.
Outcome play(Starttls p, const std::vector<std::string>& turns, std::size_t cut_turn = SIZE_MAX,
             std::size_t cut_at = 0) {
  const auto dialogue = StarttlsDialogue::create(p, "example.org", "me.example");
  StarttlsStep step = dialogue->start();
  Outcome out{step.next, step.state, step.send, {}};
  const auto take = [&](StarttlsStep s) {
    if (out.next != Next::read) return;
    out.sent += s.send;
    out.next = s.next;
    out.state = s.state;
    out.detail = s.detail;
  };
  for (std::size_t i = 0; i < turns.size(); ++i) {
    const std::string_view turn = turns[i];
    if (i == cut_turn) {
      take(dialogue->receive(bytes(turn.substr(0, cut_at))));
      take(dialogue->receive(bytes(turn.substr(cut_at))));
    } else {
      take(dialogue->receive(bytes(turn)));
    }
  }
  return out;
}

struct Row {
  const char* title;
  Starttls protocol;
  std::vector<std::string> turns;
  Next next;
  ScanState state = ScanState::pending;
};

constexpr auto kGo = Next::start_tls, kFail = Next::fail;
constexpr auto kRefused = ScanState::starttls_refused;
constexpr auto kMissing = ScanState::starttls_not_offered;
constexpr auto kBroken = ScanState::starttls_protocol_error;

std::string ldap(char id, char code, const std::string& text) {
  const std::string response =
      "\x0a\x01"s + code + "\x04\x00"s + "\x04"s + static_cast<char>(text.size()) + text;
  const std::string body =
      "\x02\x01"s + id + "\x78"s + static_cast<char>(response.size()) + response;
  return "\x30"s + static_cast<char>(body.size()) + body;
}

std::string mysql(const std::string& body) {
  return std::string{static_cast<char>(body.size()), 0, 0, 0} + body;
}

std::string mysql_greeting(char low, char high) {
  return "\x0a" + "8.0.36\0"s + "\1\2\3\4" + "scramble" + "\0"s + low + high +
         "\xff\2\0\xff\xdf\x15"s + std::string(10, '\0') + "scramble more\0"s;
}

const std::string kStream =
    "<?xml version='1.0'?><stream:stream from='example.org' id=\"a>b\" xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";
const std::string kTlsNs = " xmlns='urn:ietf:params:xml:ns:xmpp-tls'";
const std::string kFeatures =
    "<stream:features><starttls" + kTlsNs +
    "><required/></starttls><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-"
    "sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>";

const Row kMailRows[] = {
    {"smtp",
     Starttls::smtp,
     {"220-a\r\n220 b\r\n", "250-a\r\n250-SIZE 1\r\n250 StartTLS\r\n", "220 go\r\n"},
     kGo},
    {"smtp bare LF", Starttls::smtp, {"220 b\n", "250-a\n250 STARTTLS\n", "220\n"}, kGo},
    {"smtp refused",
     Starttls::smtp,
     {"220 b\r\n", "250-a\r\n250 STARTTLS\r\n", "454 no\r\n"},
     kFail,
     kRefused},
    {"smtp 250 is no go-ahead",
     Starttls::smtp,
     {"220 b\r\n", "250-a\r\n250 STARTTLS\r\n", "250 ok\r\n"},
     kFail,
     kBroken},
    {"smtp missing", Starttls::smtp, {"220 b\r\n", "250-a\r\n250 SIZE 1\r\n"}, kFail, kMissing},
    {"smtp named like it", Starttls::smtp, {"220 b\r\n", "250 STARTTLS\r\n"}, kFail, kMissing},
    {"smtp alike", Starttls::smtp, {"220 b\r\n", "250-a\r\n250 STARTTLSX\r\n"}, kFail, kMissing},
    {"smtp no ehlo", Starttls::smtp, {"220 b\r\n", "502 no\r\n"}, kFail, kMissing},
    {"smtp greeting", Starttls::smtp, {"554 no\r\n"}, kFail, kRefused},
    {"smtp mixed codes", Starttls::smtp, {"220-b\r\n250 c\r\n"}, kFail, kBroken},
    {"smtp not", Starttls::smtp, {"SSH-2.0-x\r\n"}, kFail, kBroken},
    {"smtp glued",
     Starttls::smtp,
     {"220 b\r\n", "250-a\r\n250 STARTTLS\r\n", "220 go\r\n250 x\r\n"},
     kFail,
     ScanState::injection_suspected},
    {"smtp glued half",
     Starttls::smtp,
     {"220 b\r\n", "250-a\r\n250 STARTTLS\r\n", "220 go\r\n2"},
     kFail,
     ScanState::injection_suspected},
    {"smtp early", Starttls::smtp, {"220 b\r\n250-a\r\n250 STARTTLS\r\n"}, kFail, kBroken},
    {"smtp NUL", Starttls::smtp, {"220 a\0b\r\n"s}, kFail, kBroken},
    {"smtp NUL in a line that never ends", Starttls::smtp, {"220 a\0b"s}, kFail, kBroken},
    {"imap",
     Starttls::imap,
     {"* OK hi\r\n", "* CAPABILITY IMAP4rev1 STARTTLS\r\na OK done\r\n", "b OK go\r\n"},
     kGo},
    {"imap untagged",
     Starttls::imap,
     {"* OK hi\r\n* CAPABILITY X\r\n", "* CAPABILITY STARTTLS\r\na OK done\r\n",
      "* 1 EXISTS\r\nb ok\r\n"},
     kGo},
    {"imap preauth", Starttls::imap, {"* PREAUTH hi\r\n"}, kFail, kRefused},
    {"imap bye", Starttls::imap, {"* BYE full\r\n"}, kFail, kRefused},
    {"imap missing",
     Starttls::imap,
     {"* OK hi\r\n", "* CAPABILITY IMAP4rev1\r\na OK done\r\n"},
     kFail,
     kMissing},
    {"imap no",
     Starttls::imap,
     {"* OK hi\r\n", "* CAPABILITY STARTTLS\r\na OK\r\n", "b NO\r\n"},
     kFail,
     kRefused},
    {"imap early tag", Starttls::imap, {"* OK hi\r\na OK\r\n"}, kFail, kBroken},
    {"imap other tag",
     Starttls::imap,
     {"* OK hi\r\n", "* CAPABILITY STARTTLS\r\na OK\r\n", "a OK\r\n"},
     kFail,
     kBroken},
    {"imap literal", Starttls::imap, {"* OK hi\r\n", "* X {5}\r\n"}, kFail, kBroken},
    {"imap glued",
     Starttls::imap,
     {"* OK hi\r\n", "* CAPABILITY STARTTLS\r\na OK\r\n", "b OK\r\n* 1\r\n"},
     kFail,
     ScanState::injection_suspected},
    {"pop3", Starttls::pop3, {"+OK hi\r\n", "+OK\r\nTOP\r\nSTLS\r\n.\r\n", "+OK go\r\n"}, kGo},
    {"pop3 refused",
     Starttls::pop3,
     {"+OK hi\r\n", "+OK\r\nSTLS\r\n.\r\n", "-ERR no\r\n"},
     kFail,
     kRefused},
    {"pop3 missing", Starttls::pop3, {"+OK hi\r\n", "+OK\r\nTOP\r\n.\r\n"}, kFail, kMissing},
    {"pop3 no capa", Starttls::pop3, {"+OK hi\r\n", "-ERR what\r\n"}, kFail, kMissing},
    {"pop3 greeting", Starttls::pop3, {"-ERR no\r\n"}, kFail, kRefused},
    {"pop3 okay", Starttls::pop3, {"+Okay\r\n"}, kFail, kBroken},
    {"sieve",
     Starttls::sieve,
     {"\"IMPLEMENTATION\" \"x\"\r\n\"STARTTLS\"\r\nOK\r\n", "OK \"go\"\r\n"},
     kGo},
    {"sieve missing",
     Starttls::sieve,
     {"\"SASL\" \"PLAIN STARTTLS\"\r\nOK \"hi\"\r\n"},
     kFail,
     kMissing},
    {"sieve no", Starttls::sieve, {"\"STARTTLS\"\r\nOK\r\n", "NO\r\n"}, kFail, kRefused},
    {"sieve bye", Starttls::sieve, {"BYE \"full\"\r\n"}, kFail, kRefused},
    {"sieve glued",
     Starttls::sieve,
     {"\"STARTTLS\"\r\nOK\r\n", "OK\r\n\"SASL\"\r\n"},
     kFail,
     ScanState::injection_suspected},
    {"nntp",
     Starttls::nntp,
     {"201 hi\r\n", "101 list\r\nVERSION 2\r\nSTARTTLS\r\n.\r\n", "382 go\r\n"},
     kGo},
    {"nntp missing",
     Starttls::nntp,
     {"200 hi\r\n", "101 list\r\nVERSION 2\r\n.\r\n"},
     kFail,
     kMissing},
    {"nntp refused",
     Starttls::nntp,
     {"200 hi\r\n", "101 list\r\nSTARTTLS\r\n.\r\n", "580 no\r\n"},
     kFail,
     kRefused},
    {"nntp old", Starttls::nntp, {"200 hi\r\n", "500 what\r\n"}, kFail, kMissing},
    {"nntp 400", Starttls::nntp, {"400 later\r\n"}, kFail, kRefused},
};

const Row kOtherRows[] = {
    {"ftp", Starttls::ftp, {"220-a\r\n anything\r\n 230 b\r\n220 c\r\n", "234 go\r\n"}, kGo},
    {"ftp missing", Starttls::ftp, {"220 c\r\n", "500 what\r\n"}, kFail, kMissing},
    {"ftp refused", Starttls::ftp, {"220 c\r\n", "530 login first\r\n"}, kFail, kRefused},
    {"ftp 334", Starttls::ftp, {"220 c\r\n", "334 data\r\n"}, kFail, kBroken},
    {"ftp busy", Starttls::ftp, {"421 busy\r\n"}, kFail, kRefused},
    {"ftp glued",
     Starttls::ftp,
     {"220 c\r\n", "234 go\r\n230\r\n"},
     kFail,
     ScanState::injection_suspected},
    {"ldap", Starttls::ldap, {ldap(1, 0, "")}, kGo},
    {"ldap missing",
     Starttls::ldap,
     {ldap(1, 2, "unsupported extended operation")},
     kFail,
     kMissing},
    {"ldap refused", Starttls::ldap, {ldap(1, 53, "no")}, kFail, kRefused},
    {"ldap disconnect", Starttls::ldap, {ldap(0, 52, "bye")}, kFail, kRefused},
    {"ldap other id", Starttls::ldap, {ldap(2, 0, "")}, kFail, kBroken},
    {"ldap not", Starttls::ldap, {"HTTP/1.1 400"}, kFail, kBroken},
    {"ldap long", Starttls::ldap, {"\x30\x84\x7f\xff\xff\xff"}, kFail, kBroken},
    {"ldap indefinite", Starttls::ldap, {"\x30\x80\x02\x01\x01"}, kFail, kBroken},
    {"ldap glued", Starttls::ldap, {ldap(1, 0, "") + "x"}, kFail, ScanState::injection_suspected},
    {"postgres", Starttls::postgres, {"S"}, kGo},
    {"postgres no", Starttls::postgres, {"N"}, kFail, kMissing},
    {"postgres error", Starttls::postgres, {"E"}, kFail, kRefused},
    {"postgres not", Starttls::postgres, {"H"}, kFail, kBroken},
    {"mysql", Starttls::mysql, {mysql(mysql_greeting('\xff', '\xff'))}, kGo},
    {"mysql missing", Starttls::mysql, {mysql(mysql_greeting('\xff', '\xf7'))}, kFail, kMissing},
    {"mysql blocked", Starttls::mysql, {mysql("\xff\x6a\x04host is blocked")}, kFail, kRefused},
    {"mysql old", Starttls::mysql, {mysql("\x09"s + "3.20")}, kFail, kBroken},
    {"mysql short", Starttls::mysql, {mysql("\x0a"s + "8.0\0\1\2"s)}, kFail, kBroken},
    {"mysql long", Starttls::mysql, {"\xff\xff\xff\0"s}, kFail, kBroken},
    {"mysql glued",
     Starttls::mysql,
     {mysql(mysql_greeting('\xff', '\xff')) + "x"},
     kFail,
     ScanState::injection_suspected},
    {"xmpp", Starttls::xmpp_client, {kStream + kFeatures, "<proceed" + kTlsNs + "/>"}, kGo},
    {"xmpp long form",
     Starttls::xmpp_server,
     {kStream + "\n" + kFeatures, "<proceed" + kTlsNs + "></proceed>"},
     kGo},
    {"xmpp missing",
     Starttls::xmpp_client,
     {kStream + "<stream:features><starttls/></stream:features>"},
     kFail,
     kMissing},
    {"xmpp empty features",
     Starttls::xmpp_client,
     {kStream + "<stream:features/>"},
     kFail,
     kMissing},
    {"xmpp failure",
     Starttls::xmpp_client,
     {kStream + kFeatures, "<failure" + kTlsNs + "/></stream:stream>"},
     kFail,
     kRefused},
    {"xmpp error", Starttls::xmpp_client, {kStream + "<stream:error>"}, kFail, kRefused},
    {"xmpp end", Starttls::xmpp_client, {kStream + "</stream:stream>"}, kFail, kRefused},
    {"xmpp proceed elsewhere",
     Starttls::xmpp_client,
     {kStream + kFeatures, "<proceed/>"},
     kFail,
     kBroken},
    {"xmpp early",
     Starttls::xmpp_client,
     {kStream + kFeatures + "<proceed" + kTlsNs + "/>"},
     kFail,
     kBroken},
    {"xmpp comment", Starttls::xmpp_client, {kStream + "<!-- -->"}, kFail, kBroken},
    {"xmpp doctype", Starttls::xmpp_client, {"<!DOCTYPE x>"}, kFail, kBroken},
    {"xmpp html", Starttls::xmpp_client, {"<html><body>"}, kFail, kBroken},
    {"xmpp text", Starttls::xmpp_client, {"HTTP/1.1 400 Bad Request\r\n<"}, kFail, kBroken},
    {"xmpp unmatched",
     Starttls::xmpp_client,
     {kStream + "<stream:features></features>"},
     kFail,
     kBroken},
    {"xmpp glued",
     Starttls::xmpp_client,
     {kStream + kFeatures, "<proceed" + kTlsNs + "/><x/>"},
     kFail,
     ScanState::injection_suspected},
};

// Bytes that come too early can be told only if they come together with what is before them.
bool depends_on_gluing(const Row& row) {
  const std::string_view title = row.title;
  return row.state == ScanState::injection_suspected || title.find("early") != title.npos;
}

void check(const Row& row) {
  INFO(row.title);
  const Outcome whole = play(row.protocol, row.turns);
  INFO(whole.detail);
  CHECK(whole.next == row.next);
  CHECK(whole.state == row.state);
  CHECK(whole.detail.size() <= 200);
  CHECK(whole.detail.empty() == (row.next == kGo));
  for (std::size_t turn = 0; turn < row.turns.size(); ++turn) {
    for (std::size_t at = 0; at <= row.turns[turn].size(); ++at) {
      const Outcome cut = play(row.protocol, row.turns, turn, at);
      INFO("turn " << turn << " at " << at);
      if (depends_on_gluing(row)) {
        if (row.state == ScanState::injection_suspected) CHECK(cut.next != Next::read);
        continue;
      }
      CHECK(cut.next == whole.next);
      CHECK(cut.state == whole.state);
      CHECK(cut.sent == whole.sent);
    }
  }
}

}  // namespace

TEST_CASE("dialogues of mail and news, split at every point") {
  for (const Row& row : kMailRows) check(row);
}

TEST_CASE("the other dialogues, split at every point") {
  for (const Row& row : kOtherRows) check(row);
}

TEST_CASE("what is said to servers") {
  CHECK(play(Starttls::smtp, kMailRows[0].turns).sent == "EHLO me.example\r\nSTARTTLS\r\n");
  CHECK(play(Starttls::imap, {"* OK hi\r\n", "* CAPABILITY STARTTLS\r\na OK done\r\n"}).sent ==
        "a CAPABILITY\r\nb STARTTLS\r\n");
  CHECK(play(Starttls::postgres, {}).sent == "\0\0\0\x08\x04\xd2\x16\x2f"s);
  const std::string ssl_request =
      play(Starttls::mysql, {mysql(mysql_greeting('\xff', '\xff'))}).sent;
  REQUIRE(ssl_request.size() == 36);
  CHECK(ssl_request.substr(0, 4) == "\x20\0\0\x01"s);
  const std::string request = play(Starttls::ldap, {}).sent;
  REQUIRE(request.size() == 31);
  CHECK(request.substr(9) == "1.3.6.1.4.1.1466.20037");
  CHECK(play(Starttls::xmpp_server, {}).sent.find("to='example.org' xmlns='jabber:server'") !=
        std::string::npos);
}

TEST_CASE("caps on lines, reply lines, tags and bytes") {
  const std::string long_line(kStarttlsLineBytes + 1, 'x');
  for (const Starttls p :
       {Starttls::smtp, Starttls::imap, Starttls::pop3, Starttls::ftp, Starttls::sieve,
        Starttls::nntp, Starttls::ldap, Starttls::mysql, Starttls::xmpp_client}) {
    INFO(starttls_name(p));
    CHECK(play(p, {long_line}).state == kBroken);
    CHECK(play(p, {"220-" + long_line + "\r\n"}).state == kBroken);
  }
  CHECK(play(Starttls::xmpp_client, {"<" + long_line}).state == kBroken);
  std::string many;
  for (std::size_t i = 0; i <= kStarttlsReplyLines; ++i) many += "220-x\r\n";
  CHECK(play(Starttls::smtp, {many}).state == kBroken);
  CHECK(play(Starttls::ftp, {many}).state == kBroken);
  std::string tags = kStream + "<stream:features>";
  for (std::size_t i = 0; i < kStarttlsReplyLines; ++i) tags += "<x/>";
  CHECK(play(Starttls::xmpp_client, {tags}).state == kBroken);
  const std::vector<std::string> flood(kStarttlsTotalBytes / 1024 + 1, std::string(1024, ' '));
  const Outcome spaces = play(Starttls::xmpp_client, flood);
  CHECK(spaces.state == kBroken);
  CHECK(spaces.detail == "more than 65536 bytes before TLS");
}

TEST_CASE("an outcome stays, and an early end is one") {
  const auto refused = StarttlsDialogue::create(Starttls::pop3, "h", "n");
  refused->start();
  CHECK(refused->receive(bytes("-ERR no\r\n")).next == Next::fail);
  CHECK(refused->receive(bytes("+OK yes\r\n")).state == kRefused);
  CHECK(refused->closed().state == kRefused);
  const auto ended = StarttlsDialogue::create(Starttls::pop3, "h", "n");
  ended->start();
  CHECK(ended->closed().state == kBroken);
  const auto going = StarttlsDialogue::create(Starttls::postgres, "h", "n");
  going->start();
  CHECK(going->receive(bytes("S")).next == Next::start_tls);
  CHECK(going->receive(bytes("x")).send.empty());
}
