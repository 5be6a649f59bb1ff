// The declarative cases of the NO STARTTLS authors. Each describes a server (greeting,
// capabilities, replies that differ), and a small server answers by the description. The dialogue
// must end, and go ahead only if the server's answer to STARTTLS really permits it.

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>

#include "scanner/starttls.hpp"

using namespace certline;
using namespace certline::scanner;
using Next = StarttlsStep::Next;

namespace {

struct Case {
  std::map<std::string, std::string> overrides;  // command in lower case → reply
  std::string greeting, go_ahead;
  std::vector<std::string> capabilities;
  std::string hidden;
};

std::string unescaped(const std::string& in) {
  std::string out;
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i] != '\\' || i + 1 >= in.size()) {
      out += in[i];
    } else if (const char c = in[++i]; c == 'x' && i + 2 < in.size()) {
      out += static_cast<char>(std::stoi(in.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      out += c == 'r' ? '\r' : c == 'n' ? '\n' : c;
    }
  }
  return out;
}

// The strings in double quotes, in order.
std::vector<std::string> strings_in(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = text.find('"'); at != std::string::npos; at = text.find('"', at)) {
    std::size_t end = at + 1;
    while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
    if (end >= text.size()) break;
    out.push_back(unescaped(text.substr(at + 1, end - at - 1)));
    at = end + 1;
  }
  return out;
}

// The string of a field at the start of a line, "" without one.
std::string field(const std::string& text, const std::string& name) {
  const std::size_t at = text.find("\n    " + name + ":");
  if (at == std::string::npos) return "";
  const auto strings = strings_in(text.substr(at));
  return strings.empty() ? "" : strings.front();
}

std::string without_comments(std::istream& in) {
  std::string out;
  for (std::string line; std::getline(in, line);) {
    const std::size_t first = line.find_first_not_of(" \t");
    if (first == std::string::npos || line.compare(first, 2, "//") != 0) out += line + "\n";
  }
  return out;
}

std::string block(const std::string& text, const std::string& name, char close) {
  const std::size_t at = text.find("\n    " + name + ":");
  if (at == std::string::npos) return "";
  return text.substr(at, text.find(close, at) - at);
}

Case read_case(const std::filesystem::path& file, bool smtp) {
  std::ifstream in(file);
  const std::string text = without_comments(in);
  Case c;
  c.greeting = field(text, "greeting");
  if (c.greeting.empty()) c.greeting = smtp ? "220 fake ESMTP\r\n" : "+OK ready\r\n";
  c.go_ahead = field(text, "stls_response");
  if (c.go_ahead.empty()) c.go_ahead = smtp ? "220 go ahead\r\n" : "+OK go ahead\r\n";
  c.hidden = block(text, "hide_commands", ']');
  const auto overrides = strings_in(block(text, "override_response", '}'));
  for (std::size_t i = 0; i + 1 < overrides.size(); i += 2) {
    c.overrides[ascii_lower(overrides[i])] = overrides[i + 1];
  }
  const std::string listed = block(text, smtp ? "capabilities" : "capa", ']');
  if (smtp) {
    if (listed.find("StartTLS") != std::string::npos) c.capabilities.push_back("STARTTLS");
  } else {
    c.capabilities = strings_in(listed);
  }
  return c;
}

std::string answer(const Case& c, bool smtp, const std::string& line) {
  const std::string command = ascii_lower(line.substr(0, line.find_first_of(" \r")));
  if (const auto found = c.overrides.find(command); found != c.overrides.end())
    return found->second;
  if (c.hidden.find('"' + command + '"') != std::string::npos) return "500 what?\r\n";
  if (command == "starttls" || command == "stls") return c.go_ahead;
  std::string out = smtp ? "250-fake\r\n" : "+OK\r\n";
  for (const std::string& capability : c.capabilities)
    out += (smtp ? "250-" : "") + capability + "\r\n";
  return out + (smtp ? "250 HELP\r\n" : ".\r\n");
}

bool permits(bool smtp, const std::string& reply) {
  return smtp ? reply.starts_with("220 ") : reply.starts_with("+OK ");
}

struct Played {
  StarttlsStep step;
  bool asked = false;
  std::string last_reply;
};

Played play(const Case& c, bool smtp, std::size_t chunk) {
  const auto dialogue =
      StarttlsDialogue::create(smtp ? Starttls::smtp : Starttls::pop3, "example.org", "me.example");
  Played out{dialogue->start(), false, c.greeting};
  for (int turns = 0; turns < 16 && out.step.next == Next::read; ++turns) {
    std::string sent;
    for (std::size_t at = 0; at < out.last_reply.size() && out.step.next == Next::read;
         at += chunk) {
      const std::string part = out.last_reply.substr(at, chunk);
      out.step =
          dialogue->receive({reinterpret_cast<const std::uint8_t*>(part.data()), part.size()});
      sent += out.step.send;
    }
    if (out.step.next != Next::read) break;
    if (sent.empty()) {  // both wait: a real connection ends at its deadline
      out.step = dialogue->closed();
      break;
    }
    out.asked = sent.starts_with("STARTTLS") || sent.starts_with("STLS");
    out.last_reply = answer(c, smtp, sent);
  }
  return out;
}

void check(const Case& c, bool smtp) {
  for (const std::size_t chunk : {std::size_t{65536}, std::size_t{1}}) {
    const Played played = play(c, smtp, chunk);
    CHECK(played.step.next != Next::read);
    const bool go = played.step.next == Next::start_tls;
    if (go) CHECK((played.asked && permits(smtp, played.last_reply)));
    if (played.asked && !permits(smtp, played.last_reply)) CHECK_FALSE(go);
    const std::size_t line = played.last_reply.find("\r\n");
    const bool glued = line != std::string::npos && line + 2 < played.last_reply.size();
    if (chunk > 1 && played.asked && permits(smtp, played.last_reply)) {
      CHECK((played.step.state == ScanState::injection_suspected) == glued);
    }
  }
}

}  // namespace

TEST_CASE("servers described by the NO STARTTLS authors") {
  const std::string archive = CERTLINE_SOURCE_DIR "/../shared/corpora/starttls-smtp-pop3.tar.xz";
  if (!std::filesystem::exists(archive)) {
    std::cout << "skipped: " << archive << " is missing\n";
    return;
  }
  std::string folder =
      (std::filesystem::temp_directory_path() / "certline-starttls-XXXXXX").string();
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  REQUIRE(std::system(("tar -xJf '" + archive + "' -C '" + folder + "'").c_str()) == 0);
  int count = 0, went_ahead = 0, injections = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".ron") continue;
    const bool smtp = entry.path().string().find("/smtp/") != std::string::npos;
    INFO(entry.path());
    const Case c = read_case(entry.path(), smtp);
    check(c, smtp);
    const StarttlsStep step = play(c, smtp, 65536).step;
    ++count;
    went_ahead += step.next == Next::start_tls;
    injections += step.state == ScanState::injection_suspected;
  }
  std::filesystem::remove_all(folder);
  std::cout << "STARTTLS: " << count << " of 102 cases, went ahead: " << went_ahead
            << ", injection suspected: " << injections << "\n";
  CHECK(count == 102);
  CHECK(went_ahead > 0);
  CHECK(injections > 0);
}
