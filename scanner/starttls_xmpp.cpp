// XMPP's dialogue: stream, features, starttls, proceed. It reads only the restricted XML of RFC
// 6120 11.1, tag by tag with a depth: no comments, no DTD, no CDATA, and no processing instruction
// except the declaration. Anything else ends the dialogue, so no real XML parser is needed.

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "scanner/starttls.hpp"

namespace certline::scanner {

namespace {

constexpr std::string_view kTlsNamespace = "urn:ietf:params:xml:ns:xmpp-tls";
constexpr std::string_view kSpaces = " \t\r\n";

struct Tag {
  bool end = false, empty = false;
  std::string name;        // as written, with its prefix
  std::string name_space;  // of `xmlns`, "" for none
};

bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ':' ||
         c == '_' || c == '-' || c == '.';
}

std::string_view take_name(std::string_view& in) {
  const auto end = std::find_if_not(in.begin(), in.end(), is_name_byte);
  const std::string_view name = in.substr(0, static_cast<std::size_t>(end - in.begin()));
  in.remove_prefix(name.size());
  return name;
}

bool skip_spaces(std::string_view& in) {
  const std::size_t to = std::min(in.find_first_not_of(kSpaces), in.size());
  in.remove_prefix(to);
  return to > 0;
}

// `text` is what stands between < and >.
bool parse_tag(std::string_view text, Tag& tag) {
  tag.end = text.starts_with('/');
  if (tag.end) text.remove_prefix(1);
  tag.empty = !tag.end && text.ends_with('/');
  if (tag.empty) text.remove_suffix(1);
  tag.name = take_name(text);
  if (tag.name.empty()) return false;
  for (;;) {
    const bool spaced = skip_spaces(text);
    if (text.empty()) return true;
    if (!spaced || tag.end) return false;
    const std::string_view key = take_name(text);
    skip_spaces(text);
    if (key.empty() || !text.starts_with('=')) return false;
    text.remove_prefix(1);
    skip_spaces(text);
    if (text.empty() || (text[0] != '"' && text[0] != '\'')) return false;
    const std::size_t close = text.find(text[0], 1);
    if (close == std::string_view::npos) return false;
    const std::string_view value = text.substr(1, close - 1);
    if (value.find('<') != std::string_view::npos) return false;
    if (key == "xmlns") tag.name_space = value;
    text.remove_prefix(close + 1);
  }
}

// Where the tag that opens `in` ends, quotes respected; npos: not yet there.
std::size_t end_of_tag(std::string_view in) {
  char quote = '\0';
  for (std::size_t i = 1; i < in.size(); ++i) {
    if (quote != '\0') {
      if (in[i] == quote) quote = '\0';
    } else if (in[i] == '"' || in[i] == '\'') {
      quote = in[i];
    } else if (in[i] == '>') {
      return i;
    }
  }
  return std::string_view::npos;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<' || c == '&' || c == '\'' || c == '"' || c == '>') {
      out += fmt::format("&#{};", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  return out;
}

class XmppDialogue final : public StarttlsDialogue {
 public:
  XmppDialogue(std::string_view name_space, std::string host)
      : name_space_(name_space), host_(std::move(host)) {}

  StarttlsStep start() override {
    return starttls_read(
        fmt::format("<?xml version='1.0'?><stream:stream to='{}' xmlns='{}' "
                    "xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>",
                    escaped(host_), name_space_));
  }

 protected:
  StarttlsStep consume(std::string_view bytes) override {
    buffer_ += bytes;
    StarttlsStep result;
    for (;;) {
      const std::size_t open = std::min(buffer_.find('<'), buffer_.size());
      const std::string text = buffer_.substr(0, open);
      if (!text_allowed(text)) return starttls_broken("text between the tags", text);
      buffer_.erase(0, open);
      if (buffer_.empty()) return result;
      const std::size_t end = end_of_tag(buffer_);
      if (std::min(end, buffer_.size()) > kStarttlsLineBytes) {
        return starttls_broken(fmt::format("a tag of more than {} bytes", kStarttlsLineBytes));
      }
      if (end == std::string::npos) return result;
      const std::string body = buffer_.substr(1, end - 1);
      buffer_.erase(0, end + 1);
      if (++tags_ > kStarttlsReplyLines) {
        return starttls_broken(fmt::format("more than {} tags before TLS", kStarttlsReplyLines));
      }
      if (!result.send.empty()) return starttls_broken("a reply to nothing", body);
      StarttlsStep step = on_markup(body);
      if (step.next == StarttlsStep::Next::start_tls && !buffer_.empty()) {
        return starttls_injection(buffer_);
      }
      if (step.next != StarttlsStep::Next::read) return step;
      if (!step.send.empty()) result = std::move(step);
    }
  }

 private:
  bool text_allowed(std::string_view text) const {
    return path_.size() >= 3 || text.find_first_not_of(kSpaces) == std::string_view::npos;
  }

  StarttlsStep on_markup(const std::string& body) {
    if (body.starts_with("?")) {
      const bool declaration = body.starts_with("?xml ") && body.ends_with("?");
      if (tags_ == 1 && declaration) return starttls_read();
      return starttls_broken("a processing instruction", body);
    }
    Tag tag;
    if (!parse_tag(body, tag)) return starttls_broken("not a tag of XMPP's XML", body);
    if (!tag.end) {
      path_.push_back(tag.name);
      if (StarttlsStep step = on_open(tag); step.next != StarttlsStep::Next::read) return step;
      if (!tag.empty) return starttls_read();
    }
    if (path_.empty() || path_.back() != tag.name) return starttls_broken("an unmatched tag", body);
    StarttlsStep step = on_close(tag.name);
    path_.pop_back();
    return step;
  }

  StarttlsStep on_open(const Tag& tag) {
    switch (path_.size()) {
      case 1:
        if (tag.name == "stream:stream" && !tag.empty) return starttls_read();
        return starttls_broken("not a stream", tag.name);
      case 2:
        if (tag.name == "stream:error") return starttls_refused("the server says stream:error");
        if (!asked_ && tag.name == "stream:features") return starttls_read();
        if (asked_ && tag.name_space == kTlsNamespace) {
          if (tag.name == "failure") return starttls_refused("the server says failure");
          if (tag.name == "proceed") return starttls_read();
        }
        return starttls_broken("an unexpected element", tag.name);
      case 3:
        if (asked_) return starttls_broken("an unexpected element", tag.name);
        offered_ = offered_ || (tag.name == "starttls" && tag.name_space == kTlsNamespace);
        return starttls_read();
      default:
        return path_.size() <= 16 ? starttls_read() : starttls_broken("tags nested too deep");
    }
  }

  StarttlsStep on_close(std::string_view name) {
    if (path_.size() == 1) return starttls_refused("the server ends the stream");
    if (path_.size() != 2) return starttls_read();
    if (name == "proceed") return starttls_go();
    if (!offered_) return starttls_not_offered("the features do not list starttls");
    asked_ = true;
    return starttls_read(fmt::format("<starttls xmlns='{}'/>", kTlsNamespace));
  }

  std::string name_space_, host_, buffer_;
  std::vector<std::string> path_;  // the open elements
  std::size_t tags_ = 0;
  bool offered_ = false, asked_ = false;
};

}  // namespace

std::unique_ptr<StarttlsDialogue> xmpp_dialogue(Starttls p, std::string host) {
  const auto name_space = p == Starttls::xmpp_client ? "jabber:client" : "jabber:server";
  return std::make_unique<XmppDialogue>(name_space, std::move(host));
}

}  // namespace certline::scanner
