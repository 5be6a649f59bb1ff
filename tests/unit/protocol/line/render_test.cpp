// Replies as lines: exact texts where programs read them, and never more than 1000 bytes.
#include <catch2/catch.hpp>

#include <fstream>
#include <sstream>

#include "protocol/command_table.hpp"
#include "protocol/limits.hpp"
#include "protocol/line/render.hpp"

using namespace certline;
using namespace certline::line;

namespace {

// The rules every reply keeps.
std::string render(const Reply& reply) {
  const std::string text = render_line(reply);
  CHECK(text.size() <= kReplyBytes);
  REQUIRE(text.ends_with('\n'));
  const auto lines = std::count(text.begin(), text.end(), '\n');
  CHECK((lines == 1 || lines == 2));
  const std::string_view view = text;
  const std::string_view status = lines == 1 ? view : view.substr(view.find('\n') + 1);
  if (lines == 2) CHECK(text.starts_with("data "));
  CHECK(status.starts_with(reply ? "status ok 200" : "status error "));
  CHECK(text.find('\r') == std::string::npos);
  return text;
}

std::string data_of(const Reply& reply) {
  const std::string text = render(reply);
  return text.starts_with("data ") ? text.substr(0, text.find('\n')) : "";
}

ExpirationReport report() {
  ExpirationReport r;
  r.domain = "example.org:8443";
  r.certificate_found = true;
  r.trusted = true;
  r.renewal_utc = 1800000000;
  r.last_scan_utc = 1700000000;
  r.next_scan_utc = 1700086400;
  r.addresses = 2;
  r.problem = "none";
  return r;
}

}  // namespace

TEST_CASE("data lines as programs read them") {
  CHECK(data_of(ReplyBody{KeyCreated{"0123456789abcdef0123456789abcdef"}}) ==
        "data 0123456789abcdef0123456789abcdef");
  CHECK(data_of(ReplyBody{Added{"u-u-i-d", "d5", "example.org"}}) ==
        "data id u-u-i-d key d5 domain example.org");
  CHECK(data_of(ReplyBody{report()}) ==
        "data domain example.org:8443 certificate_found true renewal_due false expired_found false "
        "trusted true renewal_utc 1800000000 last_scan_utc 1700000000 next_scan_utc 1700086400 "
        "addresses 2 problem none");
  CHECK(data_of(ReplyBody{Pong{}}) == "data pong");
  CHECK(
      data_of(ReplyBody{HelpText{}}) ==
      "data apikey claim add expiration domains remove scan addresses check ping help status user "
      "certificate confirm notify accounts keys revoke verify block unblock quota delete "
      "deadletters");
  CHECK(data_of(ReplyBody{HelpText{"add"}}) ==
        "data command add domain name[:port] apikey K [starttls protocol] [sha256 leaf-digest]");
  CHECK(data_of(ReplyBody{StatusReport{"0.1.0", 5, 1, 2, 3, 4, 6, 7}}) ==
        "data version 0.1.0 uptime_s 5 accounts 1 names 2 endpoints 3 certificates 4 connections 6 "
        "scans_in_flight 7");
  CHECK(data_of(ReplyBody{Removed{}}).empty());
  CHECK(data_of(ReplyBody{ScanStarted{}}).empty());
  CHECK(data_of(ReplyBody{Claimed{true}}).empty());
  CHECK(render(ReplyBody{Claimed{true}}).starts_with("status ok 200 created"));
  CHECK(render(ReplyBody{Claimed{false}}) == "status ok 200 already yours\n");
  CHECK(data_of(ReplyBody{Claimed{true, true, "a@b.org", "0123"}}) == "data 0123");
  CHECK_THAT(render(ReplyBody{Claimed{true, true}}), Catch::Contains("created; confirm"));
  CHECK_THAT(render(ReplyBody{Claimed{false, true}}), Catch::Contains("already yours; confirm"));
}

TEST_CASE("replies about keys, mail and certificates") {
  CHECK(data_of(ReplyBody{UserName{"a@b.org"}}) == "data a@b.org");
  CHECK(render(ReplyBody{UserName{}}).starts_with("status ok 200 never claimed"));
  CHECK(data_of(ReplyBody{CertificateAdded{"u-u-i-d", "d5", 3}}) ==
        "data id u-u-i-d key d5 names 3");
  CHECK(data_of(ReplyBody{Confirmed{TokenPurpose::block_keys}}) == "data purpose block-keys");
  CHECK(data_of(ReplyBody{NotifyState{"a@b.org", false, Digest::daily}}) ==
        "data mail off digest daily a@b.org");
  CHECK(data_of(ReplyBody{NotifyState{}}) == "data mail on digest off");
  CHECK(render(ReplyBody{Changed{"blocked account 17"}}) == "status ok 200 blocked account 17\n");
}

TEST_CASE("pages for administrators are rows of pairs, and say how to go on") {
  const AccountRow account{17, "a@b.org", "verified", 3, 2, 0, 1700000000};
  CHECK(
      render(ReplyBody{AccountPage{{account}, false}}) ==
      "data account 17 email a@b.org state verified names 3 keys 2 quota 0 created_utc 1700000000\n"
      "status ok 200 1 accounts; no more follow\n");
  AccountRow nameless = account;
  nameless.email.clear();
  CHECK_THAT(render(ReplyBody{AccountPage{{nameless}, true}}),
             Catch::Contains("email - state") && Catch::Contains("ask again with: after 17"));

  KeyRow key{{}, "confirmed", 3, 1700000000, 1700000001};
  key.key.fill(0xab);
  CHECK(data_of(ReplyBody{KeyPage{{key}, false}}) ==
        "data key " + hex(key.key) +
            " state confirmed names 3 created_utc 1700000000 last_seen_utc 1700000001");
  const DeadLetterRow letter{4, "ops", "expired", "refused by the server", 1700000000};
  CHECK(data_of(ReplyBody{DeadLetterPage{{letter}, false}}) ==
        "data id 4 channel ops event expired created_utc 1700000000");
  const AddressRow address{*IpAddress::parse("192.0.2.1"), "expired"};
  CHECK(data_of(ReplyBody{AddressPage{{address, address}, false}}) ==
        "data 192.0.2.1 expired 192.0.2.1 expired");
  CheckResult check{"a.org", CheckState::warning, 5, 28, "none", "renewal is due, 5 days left"};
  CHECK(data_of(ReplyBody{check}) ==
        "data WARNING - a.org: renewal is due, 5 days left | days_left=5;28;0");
  check = {"a.org", CheckState::unknown, {}, 28, "timeout", "timeout"};
  CHECK(data_of(ReplyBody{check}) == "data UNKNOWN - a.org: timeout | days_left=U;28;0");
}

TEST_CASE("longer pages than a reply are cut, and each row is reached once") {
  constexpr std::size_t kRows = 300;
  AccountPage accounts;
  KeyPage keys;
  DeadLetterPage letters;
  AddressPage addresses;
  for (std::uint64_t i = 0; i < kRows; ++i) {
    accounts.rows.push_back(
        {i + 1, std::string(kEmailBytes, 'e'), "unverified", i, i, UINT32_MAX, INT64_MAX});
    KeyRow key{{}, "unconfirmed", UINT32_MAX, INT64_MAX, INT64_MAX};
    key.key.fill(static_cast<std::uint8_t>(i));
    keys.rows.push_back(key);
    letters.rows.push_back({i + 1, std::string(64, 'c'), std::string(30, 'e'), "", INT64_MAX});
    addresses.rows.push_back(
        {IpAddress::v4(static_cast<std::uint32_t>(i)), "client_certificate_required"});
  }
  const auto walk = [](auto page, std::string_view first_word) {
    std::size_t seen = 0;
    while (!page.rows.empty()) {
      const std::string text = render(ReplyBody{page});
      std::size_t shown = 0;
      for (std::size_t at = text.find(first_word); at != std::string::npos;
           at = text.find(first_word, at + 1)) {
        ++shown;
      }
      REQUIRE(shown > 0);
      seen += shown;
      page.rows.erase(page.rows.begin(), page.rows.begin() + static_cast<std::ptrdiff_t>(shown));
      CHECK(text.ends_with("no more follow\n") == page.rows.empty());
    }
    return seen;
  };
  CHECK(walk(accounts, " account ") == kRows);
  CHECK(walk(keys, " key ") == kRows);
  CHECK(walk(letters, " id ") == kRows);
  CHECK(walk(addresses, " client_certificate_required") == kRows);
}

TEST_CASE("one address: its certificate comes last") {
  ExpirationReport r = report();
  r.certificate_sha256.emplace();
  r.certificate_sha256->fill(0xab);
  CHECK(data_of(ReplyBody{r})
            .ends_with(" problem none certificate_sha256 " + hex(*r.certificate_sha256)));
}

TEST_CASE("the text of an expiration says what to do") {
  ExpirationReport r = report();
  CHECK(render(ReplyBody{r}).ends_with("status ok 200 nothing to do\n"));
  r.renewal_due = true;
  CHECK(render(ReplyBody{r}).ends_with("status ok 200 renew now\n"));
  r.problem = "pending";
  CHECK_THAT(render(ReplyBody{r}), Catch::Contains("wait 30"));
  r.problem = "expired";
  r.detail = "192.0.2.1:\x1b[31m expired\r\nstatus ok 200";
  CHECK(render(ReplyBody{r}).ends_with("192.0.2.1:?[31m expired??status ok 200\n"));
}

TEST_CASE("the longest replies still fit") {
  const std::string longest(kDomainInputBytes, 'x');
  ExpirationReport r = report();
  r.domain = longest;
  r.renewal_utc = r.last_scan_utc = r.next_scan_utc = INT64_MIN;
  r.addresses = UINT32_MAX;
  r.problem = "client_certificate_required_and_then_some";
  r.certificate_sha256.emplace();
  r.detail = std::string(5000, 'd');
  const std::string text = render(ReplyBody{r});
  CHECK(text.size() == kReplyBytes);
  CHECK_THAT(text, Catch::Contains("certificate_sha256 " + hex(*r.certificate_sha256) + "\n"));
  render(ReplyBody{Added{std::string(36, 'u'), std::string(32, 'k'), longest}});
  StatusReport s{std::string(40, 'v'), INT64_MAX,  UINT64_MAX, UINT64_MAX,
                 UINT64_MAX,           UINT64_MAX, UINT64_MAX, UINT64_MAX};
  render(ReplyBody{s});
  render(ReplyBody{UserName{std::string(kEmailBytes, 'e')}});
  render(ReplyBody{Claimed{true, true, std::string(kEmailBytes, 'e'), std::string(32, 'k')}});
  render(ReplyBody{NotifyState{std::string(kEmailBytes, 'e'), false, Digest::weekly}});
  render(ReplyBody{Changed{std::string(5000, 'c')}});
  for (const CommandRow& row : command_table()) {
    CHECK_THAT(render(ReplyBody{HelpText{std::string(row.name)}}),
               Catch::Contains(std::string(row.example)));
  }
}

TEST_CASE("error texts are clean, cut, and keep the seconds to wait") {
  CHECK(render(Error{ErrorKind::not_registered, "not here", 0}) == "status error 404 not here\n");
  CHECK(render(Error{ErrorKind::too_many, "too many", 7}) ==
        "status error 429 too many; retry in 7 s\n");
  CHECK(render(Error{ErrorKind::internal, "", 0}) == "status error 500\n");
  CHECK(render(Error{ErrorKind::malformed, "a\nb\xc3\xa9", 0}) == "status error 400 a?b??\n");
  const std::string cut = render(Error{ErrorKind::too_many, std::string(4000, 'x'), UINT32_MAX});
  CHECK(cut.size() == kReplyBytes);
  CHECK(cut.ends_with("x; retry in 4294967295 s\n"));
}

TEST_CASE("a page of names is cut to what fits, and says how to go on") {
  CHECK(render(ReplyBody{DomainPage{}}) == "status ok 200 0 names; no more follow\n");
  CHECK(render(ReplyBody{DomainPage{{"a.org"}, false}}) ==
        "data a.org\nstatus ok 200 1 name; no more follow\n");
  CHECK(render(ReplyBody{DomainPage{{"a.org", "b.org:25"}, true}}) ==
        "data a.org b.org:25\n"
        "status ok 200 2 names; more follow, ask again with: after b.org:25\n");

  for (const std::size_t length : {4u, 20u, 100u, 259u}) {
    std::vector<std::string> names;
    for (int i = 0; i < 1000; ++i) {
      std::string name = std::to_string(100000 + i);
      names.push_back(name + std::string(length, 'a'));
    }
    // Asking again after the last name shown reaches each name once.
    std::size_t next = 0;
    while (next < names.size()) {
      const DomainPage page{{names.begin() + static_cast<std::ptrdiff_t>(next), names.end()},
                            false};
      const std::string text = render(ReplyBody{page});
      std::istringstream data(text.substr(5, text.find('\n') - 5));
      const std::size_t before = next;
      for (std::string name; data >> name;) REQUIRE(name == names.at(next++));
      REQUIRE(next > before);
      if (next < names.size()) {
        CHECK(text.ends_with("more follow, ask again with: after " + names[next - 1] + "\n"));
      } else {
        CHECK(text.ends_with("no more follow\n"));
      }
    }
  }
}

TEST_CASE("PROTOCOL.md lists the commands as the table has them") {
  std::ifstream file(CERTLINE_SOURCE_DIR "/protocol/PROTOCOL.md");
  std::stringstream content;
  content << file.rdbuf();
  const std::string page = content.str();
  const std::string open = "<!-- commands -->\n", close = "<!-- /commands -->";
  const std::size_t start = page.find(open);
  const std::size_t end = page.find(close);
  REQUIRE(start != std::string::npos);
  REQUIRE(end != std::string::npos);
  CHECK(page.substr(start + open.size(), end - start - open.size()) == commands_markdown());
}
