// The dialogues made of lines: smtp, ftp, pop3, imap, sieve, nntp. Each is a small class that gets
// one whole line at a time. The base cuts the lines and enforces the caps. It refuses all that the
// server says before it was asked, because an answer to an unsent command proves nothing.

#include <fmt/format.h>

#include <algorithm>

#include "scanner/starttls.hpp"

namespace certline::scanner {

namespace {

using Next = StarttlsStep::Next;

bool starts_with_word(std::string_view line, std::string_view word) {
  if (line.size() < word.size() || ascii_lower(line.substr(0, word.size())) != word) return false;
  return line.size() == word.size() || line[word.size()] == ' ';
}

bool has_word(std::string_view line, std::string_view word) {
  const std::string lower = ascii_lower(line);
  for (std::size_t at = 0; at < lower.size();) {
    const std::size_t end = std::min(lower.find(' ', at), lower.size());
    if (std::string_view(lower).substr(at, end - at) == word) return true;
    at = end + 1;
  }
  return false;
}

class LineDialogue : public StarttlsDialogue {
 public:
  StarttlsStep start() override { return starttls_read(); }

 protected:
  // One line without its end. Anything to send, or an outcome, ends the server's turn.
  virtual StarttlsStep on_line(std::string_view line) = 0;
  // May this line arrive although nothing was asked?
  virtual bool unasked(std::string_view) const { return false; }

  StarttlsStep consume(std::string_view bytes) override {
    StarttlsStep result;
    bool turn_over = false;
    buffer_ += bytes;
    std::size_t end = 0;
    while ((end = buffer_.find('\n')) != std::string::npos) {
      if (end > kStarttlsLineBytes) break;
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      if (!line.empty() && line.back() == '\r') line.pop_back();
      if (line.find('\r') != std::string::npos || line.find('\0') != std::string::npos) {
        return starttls_broken("a bare CR or NUL within a line", line);
      }
      if (++lines_ > kStarttlsReplyLines) {
        return starttls_broken(fmt::format("a reply of more than {} lines", kStarttlsReplyLines));
      }
      if (turn_over && !unasked(line)) return starttls_broken("a reply to nothing", line);
      StarttlsStep step = on_line(line);
      if (step.next == Next::fail) return step;
      if (step.next == Next::start_tls) return buffer_.empty() ? step : starttls_injection(buffer_);
      if (!step.send.empty()) {
        result = std::move(step);
        turn_over = true;
        lines_ = 0;
      }
    }
    if (buffer_.size() > kStarttlsLineBytes) {
      return starttls_broken(fmt::format("a line of more than {} bytes", kStarttlsLineBytes));
    }
    if (buffer_.find('\0') != std::string::npos) {
      return starttls_broken("a NUL within a line", buffer_);  // an end of it may never come
    }
    if (turn_over && !buffer_.empty() && !unasked(buffer_)) {
      return starttls_broken("a reply to nothing", buffer_);
    }
    return result;
  }

 private:
  std::string buffer_;
  std::size_t lines_ = 0;
};

// Replies "250-text", "250 text" (RFC 5321 4.2.1, RFC 959 4.2). `strict_middle`: every line of a
// reply begins with its code (SMTP); otherwise anything may stand between first and last line
// (FTP).
class CodeReader {
 public:
  explicit CodeReader(bool strict_middle) : strict_middle_(strict_middle) {}

  enum class Got : std::uint8_t { more, whole, broken };

  Got add(std::string_view line) {
    const bool coded = line.size() >= 3 && std::all_of(line.begin(), line.begin() + 3,
                                                       [](char c) { return c >= '0' && c <= '9'; });
    const char mark = line.size() == 3 ? ' ' : line.size() > 3 ? line[3] : '\0';
    const bool shaped = coded && line[0] >= '1' && line[0] <= '5' && (mark == ' ' || mark == '-');
    if (code_.empty()) {
      if (!shaped) return Got::broken;
      code_ = line.substr(0, 3);
    } else if (!shaped || line.substr(0, 3) != code_) {
      return strict_middle_ ? Got::broken : Got::more;
    }
    return mark == ' ' ? Got::whole : Got::more;
  }

  std::string take() { return std::exchange(code_, {}); }

 private:
  bool strict_middle_;
  std::string code_;
};

bool is_error_code(std::string_view code) {
  return code[0] == '4' || code[0] == '5';
}
bool is_unknown_command(std::string_view code) {
  return code == "500" || code == "501" || code == "502" || code == "504";
}

class SmtpDialogue final : public LineDialogue {
 public:
  explicit SmtpDialogue(std::string own_name) : own_name_(std::move(own_name)) {}

 protected:
  StarttlsStep on_line(std::string_view line) override {
    switch (reader_.add(line)) {
      case CodeReader::Got::broken:
        return starttls_broken("not an SMTP reply", line);
      case CodeReader::Got::more:
        note_capability(line);
        return starttls_read();
      case CodeReader::Got::whole:
        note_capability(line);
        break;
    }
    const std::string code = reader_.take();
    switch (stage_) {
      case Stage::greeting:
        return on_greeting(code, line);
      case Stage::ehlo:
        return on_ehlo(code, line);
      case Stage::starttls:
        if (code == "220") return starttls_go();
        return is_error_code(code) ? starttls_refused("STARTTLS was refused", line)
                                   : starttls_broken("neither 220 nor a refusal", line);
    }
    return starttls_broken("no such stage");
  }

 private:
  enum class Stage : std::uint8_t { greeting, ehlo, starttls };

  void note_capability(std::string_view line) {
    if (stage_ != Stage::ehlo) return;
    const bool first = !std::exchange(in_ehlo_reply_, true);  // the first line is the server's name
    if (!first && line.size() > 4 && starts_with_word(line.substr(4), "starttls")) offered_ = true;
  }

  StarttlsStep on_greeting(std::string_view code, std::string_view line) {
    if (is_error_code(code)) return starttls_refused("the greeting refuses service", line);
    if (code != "220") return starttls_broken("the greeting is not 220", line);
    stage_ = Stage::ehlo;
    return starttls_read("EHLO " + own_name_ + "\r\n");
  }

  StarttlsStep on_ehlo(std::string_view code, std::string_view line) {
    if (is_unknown_command(code)) return starttls_not_offered("EHLO is not understood", line);
    if (is_error_code(code)) return starttls_refused("EHLO was refused", line);
    if (code != "250") return starttls_broken("the answer to EHLO is not 250", line);
    if (!offered_) return starttls_not_offered("EHLO does not list STARTTLS");
    stage_ = Stage::starttls;
    return starttls_read("STARTTLS\r\n");
  }

  Stage stage_ = Stage::greeting;
  CodeReader reader_{true};
  std::string own_name_;
  bool in_ehlo_reply_ = false, offered_ = false;
};

class FtpDialogue final : public LineDialogue {
 protected:
  StarttlsStep on_line(std::string_view line) override {
    switch (reader_.add(line)) {
      case CodeReader::Got::broken:
        return starttls_broken("not an FTP reply", line);
      case CodeReader::Got::more:
        return starttls_read();
      case CodeReader::Got::whole:
        break;
    }
    const std::string code = reader_.take();
    if (!greeted_) {
      if (is_error_code(code) || code == "120") {
        return starttls_refused("the greeting refuses service", line);
      }
      if (code != "220") return starttls_broken("the greeting is not 220", line);
      greeted_ = true;
      return starttls_read("AUTH TLS\r\n");
    }
    if (code == "234") return starttls_go();
    if (is_unknown_command(code)) return starttls_not_offered("AUTH TLS is not understood", line);
    return is_error_code(code) ? starttls_refused("AUTH TLS was refused", line)
                               : starttls_broken("neither 234 nor a refusal", line);
  }

 private:
  CodeReader reader_{false};
  bool greeted_ = false;
};

class Pop3Dialogue final : public LineDialogue {
 protected:
  StarttlsStep on_line(std::string_view line) override {
    const bool ok = starts_with_word(line, "+ok"), error = starts_with_word(line, "-err");
    if (stage_ == Stage::list) return on_list(line);
    if (!ok && !error) return starttls_broken("neither +OK nor -ERR", line);
    switch (stage_) {
      case Stage::greeting:
        if (error) return starttls_refused("the greeting refuses service", line);
        stage_ = Stage::capa;
        return starttls_read("CAPA\r\n");
      case Stage::capa:
        if (error) return starttls_not_offered("CAPA is not understood", line);
        stage_ = Stage::list;
        return starttls_read();
      default:
        return ok ? starttls_go() : starttls_refused("STLS was refused", line);
    }
  }

 private:
  enum class Stage : std::uint8_t { greeting, capa, list, stls };

  StarttlsStep on_list(std::string_view line) {
    if (line != ".") {
      offered_ = offered_ || starts_with_word(line, "stls");
      return starttls_read();
    }
    if (!offered_) return starttls_not_offered("CAPA does not list STLS");
    stage_ = Stage::stls;
    return starttls_read("STLS\r\n");
  }

  Stage stage_ = Stage::greeting;
  bool offered_ = false;
};

class ImapDialogue final : public LineDialogue {
 protected:
  bool unasked(std::string_view line) const override { return line.starts_with("*"); }

  StarttlsStep on_line(std::string_view line) override {
    if (line.ends_with("}")) return starttls_broken("a literal before TLS", line);
    if (!greeted_) return on_greeting(line);
    if (line.starts_with("* ")) return on_untagged(line);
    const std::string_view tag = asked_ ? "b " : "a ";
    if (!line.starts_with(tag)) return starttls_broken("not a reply to our command", line);
    const std::string_view answer = line.substr(tag.size());
    const bool ok = starts_with_word(answer, "ok");
    if (!ok && !starts_with_word(answer, "no") && !starts_with_word(answer, "bad")) {
      return starttls_broken("neither OK, NO nor BAD", line);
    }
    if (asked_) return ok ? starttls_go() : starttls_refused("STARTTLS was refused", line);
    if (!ok) return starttls_refused("CAPABILITY was refused", line);
    if (!offered_) return starttls_not_offered("CAPABILITY does not list STARTTLS");
    asked_ = true;
    return starttls_read("b STARTTLS\r\n");
  }

 private:
  StarttlsStep on_greeting(std::string_view line) {
    if (starts_with_word(line, "* preauth")) {
      return starttls_refused("PREAUTH: already logged in, TLS can no longer start", line);
    }
    if (starts_with_word(line, "* bye")) {
      return starttls_refused("the greeting refuses service", line);
    }
    if (!starts_with_word(line, "* ok")) return starttls_broken("not an IMAP greeting", line);
    greeted_ = true;
    return starttls_read("a CAPABILITY\r\n");
  }

  StarttlsStep on_untagged(std::string_view line) {
    if (starts_with_word(line, "* bye")) return starttls_refused("the server says BYE", line);
    if (starts_with_word(line, "* preauth")) return starttls_broken("PREAUTH out of place", line);
    if (starts_with_word(line, "* capability") && !asked_) offered_ = has_word(line, "starttls");
    return starttls_read();
  }

  bool greeted_ = false, offered_ = false, asked_ = false;
};

class SieveDialogue final : public LineDialogue {
 protected:
  StarttlsStep on_line(std::string_view line) override {
    if (line.ends_with("}")) return starttls_broken("a literal before TLS", line);
    if (starts_with_word(line, "no")) return starttls_refused("the server says NO", line);
    if (starts_with_word(line, "bye")) return starttls_refused("the server says BYE", line);
    if (starts_with_word(line, "ok")) {
      if (asked_) return starttls_go();
      if (!offered_) return starttls_not_offered("the capabilities do not list STARTTLS");
      asked_ = true;
      return starttls_read("STARTTLS\r\n");
    }
    if (asked_ || !line.starts_with('"')) return starttls_broken("not a ManageSieve reply", line);
    offered_ = offered_ || starts_with_word(line, "\"starttls\"");
    return starttls_read();
  }

 private:
  bool offered_ = false, asked_ = false;
};

class NntpDialogue final : public LineDialogue {
 protected:
  StarttlsStep on_line(std::string_view line) override {
    if (stage_ == Stage::list) return on_list(line);
    CodeReader reader(true);
    if (reader.add(line) != CodeReader::Got::whole) return starttls_broken("not NNTP", line);
    const std::string code = reader.take();
    switch (stage_) {
      case Stage::greeting:
        if (is_error_code(code)) return starttls_refused("the greeting refuses service", line);
        if (code != "200" && code != "201") return starttls_broken("not a greeting", line);
        stage_ = Stage::capabilities;
        return starttls_read("CAPABILITIES\r\n");
      case Stage::capabilities:
        if (is_error_code(code)) return starttls_not_offered("no CAPABILITIES", line);
        if (code != "101") return starttls_broken("neither 101 nor a refusal", line);
        stage_ = Stage::list;
        return starttls_read();
      default:
        if (code == "382") return starttls_go();
        return is_error_code(code) ? starttls_refused("STARTTLS was refused", line)
                                   : starttls_broken("neither 382 nor a refusal", line);
    }
  }

 private:
  enum class Stage : std::uint8_t { greeting, capabilities, list, starttls };

  StarttlsStep on_list(std::string_view line) {
    if (line != ".") {
      offered_ = offered_ || starts_with_word(line, "starttls");
      return starttls_read();
    }
    if (!offered_) return starttls_not_offered("CAPABILITIES does not list STARTTLS");
    stage_ = Stage::starttls;
    return starttls_read("STARTTLS\r\n");
  }

  Stage stage_ = Stage::greeting;
  bool offered_ = false;
};

}  // namespace

std::unique_ptr<StarttlsDialogue> line_dialogue(Starttls p, std::string own_name) {
  switch (p) {
    case Starttls::smtp:
      return std::make_unique<SmtpDialogue>(std::move(own_name));
    case Starttls::ftp:
      return std::make_unique<FtpDialogue>();
    case Starttls::pop3:
      return std::make_unique<Pop3Dialogue>();
    case Starttls::imap:
      return std::make_unique<ImapDialogue>();
    case Starttls::sieve:
      return std::make_unique<SieveDialogue>();
    case Starttls::nntp:
      return std::make_unique<NntpDialogue>();
    default:
      return nullptr;
  }
}

}  // namespace certline::scanner
