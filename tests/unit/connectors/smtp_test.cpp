// Mail against a scripted server: the dialogue, the message as it arrives, and what each refusal
// means.
#include "connectors/smtp.hpp"

#include <catch2/catch.hpp>

#include "http_receiver.hpp"
#include "protocol/base64.hpp"

namespace certline::connectors {
namespace {

using namespace test;

const std::atomic<bool> kGoOn{false};

// Answers each command by its first word; "." stands for the end of the contents. Commands that it
// doesn't know it takes.
class SmtpServerDouble {
 public:
  explicit SmtpServerDouble(std::map<std::string, std::string> answers = {})
      : answers_(std::move(answers)), server_([this](int fd, int) { serve(fd); }) {}

  SmtpServer settings() const {
    SmtpServer server;
    server.host_port = "127.0.0.1:" + std::to_string(server_.port());
    server.starttls = StartTls::off;
    return server;
  }
  std::vector<std::string> commands() const {
    const std::lock_guard lock(mutex_);
    return commands_;
  }
  std::string contents() const {
    const std::lock_guard lock(mutex_);
    return contents_;
  }

 private:
  std::string answer(const std::string& word, const std::string& usual) const {
    const auto found = answers_.find(word);
    return (found == answers_.end() ? usual : found->second) + "\r\n";
  }

  static std::string usual(const std::string& word) {
    if (word == "DATA") return "354 go on";
    if (word == "QUIT") return "221 bye";
    if (word == "EHLO") return "250-here\r\n250 AUTH PLAIN";
    if (word == "AUTH") return "334 ";
    const bool known = word == "MAIL" || word == "RCPT" || word == "HELO" || word == "RSET";
    return known ? "250 ok" : "235 ok";  // what is no command is the answer to AUTH
  }

  void serve(int fd) {
    say(fd, answer("greeting", "220 here"));
    std::string gathered;
    bool in_contents = false;
    while (true) {
      const std::string some = hear(fd);
      if (some.empty()) return;
      gathered += some;
      for (std::size_t end = gathered.find("\r\n"); end != std::string::npos;
           end = gathered.find("\r\n")) {
        const std::string line = gathered.substr(0, end);
        gathered.erase(0, end + 2);
        in_contents = in_contents ? content(fd, line) : command(fd, line);
      }
    }
  }

  bool command(int fd, const std::string& line) {
    const std::string word = line.substr(0, line.find_first_of(" :"));
    {
      const std::lock_guard lock(mutex_);
      commands_.push_back(line);
    }
    const std::string said = answer(word, usual(word));
    say(fd, said);
    return word == "DATA" && said.starts_with("354");
  }

  bool content(int fd, const std::string& line) {
    if (line == ".") {
      say(fd, answer(".", "250 taken"));
      return false;
    }
    const std::lock_guard lock(mutex_);
    contents_ += line + "\n";
    return true;
  }

  const std::map<std::string, std::string> answers_;
  mutable std::mutex mutex_;
  std::vector<std::string> commands_;
  std::string contents_;
  LoopbackServer server_;
};

Mail sample() {
  Mail mail;
  mail.from = "certline@example.org";
  mail.to = "you@example.net";
  mail.subject = "expired: example.org";
  mail.id = "7c0b8e5d-3f12-4a9e-8d64-5b1f2e6a9c70";
  mail.date = 1'800'000'000;
  mail.text = "one\n.\ntwo \xc3\xa4\n" + std::string(2000, 'x') + "\n";
  mail.html = "<p>one</p>";
  mail.unsubscribe = "https://certline.example.org/unsubscribe/0-1";
  return mail;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

Error failure(std::map<std::string, std::string> answers) {
  const SmtpServerDouble server(std::move(answers));
  const auto sent = send_mail(server.settings(), sample(), kGoOn);
  REQUIRE(sent.has_error());
  return sent.error();
}

}  // namespace

TEST_CASE("a mail arrives whole") {
  const SmtpServerDouble server;
  const auto sent = send_mail(server.settings(), sample(), kGoOn);
  REQUIRE(sent.has_value());
  const auto commands = server.commands();
  REQUIRE(commands.size() >= 4);
  CHECK(commands[1].starts_with("MAIL FROM:<certline@example.org>"));
  CHECK(commands[2].starts_with("RCPT TO:<you@example.net>"));
  const std::string got = server.contents();
  for (const char* line :
       {"Date: Fri, 15 Jan 2027 08:00:00 +0000\n", "From: certline <certline@example.org>\n",
        "To: <you@example.net>\n", "Subject: expired: example.org\n",
        "Message-ID: <7c0b8e5d-3f12-4a9e-8d64-5b1f2e6a9c70@example.org>\n",
        "Auto-Submitted: auto-generated\n",
        "List-Unsubscribe: <https://certline.example.org/unsubscribe/0-1>\n",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\n", "Mime-Version: 1.0\n",
        "multipart/alternative", "Content-Type: text/plain; charset=utf-8\n",
        "Content-Type: text/html; charset=utf-8\n", "two =C3=A4\n", "<p>one</p>"}) {
    INFO(got);
    CHECK(has(got, line));
  }
  for (std::size_t at = 0; at < got.size();) {
    const std::size_t end = got.find('\n', at);
    CHECK(end - at <= 998);  // RFC 5322 2.1.1
    at = end + 1;
  }
  CHECK(got.find("text/plain") < got.find("text/html"));  // the better form last, RFC 2046 5.1.4
}

TEST_CASE("without a link there is nothing to unsubscribe by") {
  const SmtpServerDouble server;
  Mail mail = sample();
  mail.unsubscribe.clear();
  REQUIRE(send_mail(server.settings(), mail, kGoOn).has_value());
  CHECK_FALSE(has(server.contents(), "List-Unsubscribe"));
}

TEST_CASE("nothing that a mail says makes a header or a command") {
  const SmtpServerDouble server;
  Mail mail = sample();
  mail.subject = "a\r\nBcc: evil@example.org\r\n\r\nbody\xc3\xa4";
  REQUIRE(send_mail(server.settings(), mail, kGoOn).has_value());
  CHECK_FALSE(has(server.contents(), "\nBcc:"));
  CHECK(has(server.contents(), "\nSubject: =?UTF-8?B?"));

  const std::size_t before = server.commands().size();
  for (const std::string bad : {"a@b.org>\r\nRCPT TO:<evil@example.org", "a@b.org evil@c.org",
                                "<a@b.org>", "a", "", "a@b.org\n"}) {
    Mail to = sample(), from = sample();
    to.to = bad;
    from.from = bad;
    CHECK(send_mail(server.settings(), to, kGoOn).error().kind == ErrorKind::invalid_value);
    CHECK(send_mail(server.settings(), from, kGoOn).error().kind == ErrorKind::invalid_value);
  }
  Mail link = sample();
  link.unsubscribe = "https://a>\r\nBcc: evil@example.org";
  CHECK(send_mail(server.settings(), link, kGoOn).error().kind == ErrorKind::invalid_value);
  Mail id = sample();
  id.id = "a>\r\nBcc: x@y.org";
  CHECK(send_mail(server.settings(), id, kGoOn).error().kind == ErrorKind::invalid_value);
  CHECK(server.commands().size() == before);
}

TEST_CASE("a login by user and password") {
  const SmtpServerDouble server;
  SmtpServer settings = server.settings();
  settings.user = "certline";
  settings.password = "secret";
  REQUIRE(send_mail(settings, sample(), kGoOn).has_value());
  const std::string plain("\0certline\0secret", 16);
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(plain.data());
  bool said = false;
  for (const std::string& line : server.commands()) {
    said = said || has(line, encode_base64({bytes, plain.size()}));
  }
  CHECK(said);
  // Never in the clear where STARTTLS is as much as wanted, as the server has none.
  for (const StartTls starttls : {StartTls::required, StartTls::opportunistic}) {
    settings.starttls = starttls;
    const std::size_t before = server.commands().size();
    CHECK(send_mail(settings, sample(), kGoOn).error().kind == ErrorKind::unavailable);
    const auto commands = server.commands();
    for (std::size_t i = before; i < commands.size(); ++i) CHECK_FALSE(has(commands[i], "AUTH"));
  }
}

TEST_CASE("STARTTLS: required means required, opportunistic goes on without") {
  const SmtpServerDouble server;
  SmtpServer settings = server.settings();
  settings.starttls = StartTls::required;
  CHECK(send_mail(settings, sample(), kGoOn).error().kind == ErrorKind::unavailable);
  CHECK(server.contents().empty());
  settings.starttls = StartTls::opportunistic;
  CHECK(send_mail(settings, sample(), kGoOn).has_value());
}

TEST_CASE("what a refusal means") {
  CHECK(failure({{"RCPT", "550 5.1.1 no such user"}}) ==
        Error{ErrorKind::refused, "the mail server says: 550 5.1.1 no such user"});
  CHECK(failure({{"MAIL", "553 not from you"}}).kind == ErrorKind::refused);
  CHECK(failure({{".", "554 spam"}}).kind == ErrorKind::refused);
  CHECK(failure({{"RCPT", "451 greylisted"}}).kind == ErrorKind::too_many);
  CHECK(failure({{".", "452 full"}}).kind == ErrorKind::too_many);
  CHECK(failure({{"MAIL", "530 5.7.0 must issue a STARTTLS first"}}).kind ==
        ErrorKind::unavailable);
  CHECK(failure({{"greeting", "554 not today"}}).kind == ErrorKind::unavailable);
  CHECK(failure({{"EHLO", "421 closing"}, {"HELO", "421 closing"}}).kind == ErrorKind::unavailable);
}

TEST_CASE("nobody there, and a stop") {
  SmtpServer settings;
  settings.host_port = "127.0.0.1:1";
  CHECK(send_mail(settings, sample(), kGoOn).error().kind == ErrorKind::unavailable);
  settings.host_port = "127.0.0.1:1/x\r\n";
  CHECK(send_mail(settings, sample(), kGoOn).error().kind == ErrorKind::invalid_value);
  const LoopbackServer deaf([](int fd, int) { scanner::test::hear_all(fd); });
  settings.host_port = "127.0.0.1:" + std::to_string(deaf.port());
  settings.deadline = std::chrono::minutes(10);
  const std::atomic<bool> stopped{true};
  CHECK(send_mail(settings, sample(), stopped).error().detail == "stopped");
  settings.deadline = std::chrono::milliseconds(200);
  CHECK(send_mail(settings, sample(), kGoOn).error().kind == ErrorKind::unavailable);
}

}  // namespace certline::connectors
