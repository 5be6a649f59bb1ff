// Writes a Reply as its lines. Data lines are built from parsed values only. Status text is reduced
// to printable ASCII and cut, so that a reply is at most two lines and fits in kReplyBytes whatever
// a handler puts there. line/session.cpp sends it.
#include "protocol/line/render.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "protocol/command_table.hpp"
#include "protocol/limits.hpp"

namespace certline::line {
namespace {

void number(std::string& out, std::string_view name, std::int64_t value) {
  const fmt::format_int digits(value);
  out += name;
  out.append(digits.data(), digits.size());
}

bool is_printable(char c) {
  return c >= 0x20 && c < 0x7f;
}

// The part of a data line whose length is bounded: gathered on the stack, appended at once.
class Fields {
 public:
  Fields& text(std::string_view text) {
    at_ = std::copy(text.begin(), text.end(), at_);
    return *this;
  }
  Fields& boolean(std::string_view name, bool value) {
    text(name);
    return value ? text("true") : text("false");
  }
  Fields& number(std::string_view name, std::int64_t value) {
    const fmt::format_int digits(value);
    return text(name).text({digits.data(), digits.size()});
  }
  std::string_view view() const { return {bytes_.data(), at_}; }

 private:
  std::array<char, 400> bytes_;
  char* at_ = bytes_.data();
};

// Appends "status …\n"; what stands in `out` from `start` on stays within kReplyBytes. `tail` is
// kept whole.
void finish(std::string& out, std::size_t start, std::string_view head, std::string_view text,
            std::string_view tail = {}) {
  out += "status ";
  out += head;
  const std::size_t used = out.size() - start + tail.size() + 2;
  const std::size_t room = used < kReplyBytes ? kReplyBytes - used : 0;
  if (!text.empty() && room > 0) {
    out += ' ';
    const std::size_t begin = out.size();
    out += text.substr(0, room);
    std::replace_if(
        out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(),
        [](char c) { return !is_printable(c); }, '?');
  }
  out += tail;
  out += '\n';
}

// One overload per kind of reply: appends both lines of a reply that begins at out[start].
struct Renderer {
  std::string& out;
  std::size_t start;

  void ok(std::string_view text) { finish(out, start, "ok 200", text); }

  void operator()(const KeyCreated& r) {
    out += "data ";
    out += r.key;
    out += '\n';
    ok("keep this key; next: command claim email E apikey K");
  }

  void operator()(const Claimed& r) {
    if (!r.key.empty()) {
      out += "data ";
      out += r.key;
      out += '\n';
    }
    if (r.mailed) {
      return ok(r.created ? "created; confirm it with the mail that is on its way"
                          : "already yours; confirm it with the mail that is on its way");
    }
    ok(r.created ? "created; next: command add domain D apikey K" : "already yours");
  }

  void operator()(const Added& r) {
    out += "data id ";
    out += r.id;
    out += " key ";
    out += r.key;
    out += " domain ";
    out += r.domain;
    out += '\n';
    ok("watched; next: command expiration domain D apikey K wait 30");
  }

  void operator()(const ExpirationReport& r) {
    out += "data domain ";
    out += r.domain;
    out += Fields()
               .boolean(" certificate_found ", r.certificate_found)
               .boolean(" renewal_due ", r.renewal_due)
               .boolean(" expired_found ", r.expired_found)
               .boolean(" trusted ", r.trusted)
               .number(" renewal_utc ", r.renewal_utc)
               .number(" last_scan_utc ", r.last_scan_utc)
               .number(" next_scan_utc ", r.next_scan_utc)
               .number(" addresses ", r.addresses)
               .text(" problem ")
               .view();
    out += r.problem;
    if (r.certificate_sha256) {
      out += " certificate_sha256 ";
      out += hex(*r.certificate_sha256);
    }
    out += '\n';
    ok(advice(r));
  }

  static std::string_view advice(const ExpirationReport& r) {
    if (!r.detail.empty()) return r.detail;
    if (r.problem == "pending") return "not scanned yet; ask again with wait 30";
    if (r.problem != "none") return "see problem; it is looked at again at next_scan_utc";
    return r.renewal_due ? "renew now" : "nothing to do";
  }

  void operator()(const DomainPage& r) {
    // Room that stays free for the status line, besides the name it may repeat.
    static constexpr std::size_t kStatusRoom = 100;
    std::size_t shown = 0;
    std::size_t size = sizeof "data\n";
    for (const std::string& name : r.names) {
      size += name.size() + 1;
      if (size + name.size() + kStatusRoom > kReplyBytes) break;
      out += shown++ == 0 ? "data " : " ";
      out += name;
    }
    if (shown > 0) out += '\n';
    std::string text;
    number(text, "", static_cast<std::int64_t>(shown));
    text += shown == 1 ? " name; " : " names; ";
    if ((r.more || shown < r.names.size()) && shown > 0) {
      text += "more follow, ask again with: after ";
      text += r.names[shown - 1];
    } else {
      text += "no more follow";
    }
    ok(text);
  }

  void operator()(const Removed&) { ok("removed"); }
  void operator()(const ScanStarted&) {
    ok("scan under way; next: command expiration domain D apikey K wait 30");
  }

  void operator()(const CheckResult& r) {
    out += fmt::format("data {}\n", check_line(r));
    ok(r.state == CheckState::ok ? "nothing to do" : "next: command expiration domain D apikey K");
  }

  void operator()(const Pong&) {
    out += "data pong\n";
    ok("alive");
  }

  void operator()(const HelpText& r) {
    const CommandRow* const row = r.on ? find_command(*r.on) : nullptr;
    if (row != nullptr) {
      out += "data ";
      out += command_usage(*row);
      out += '\n';
      ok(fmt::format("{}; example: {}", row->summary, row->example));
      return;
    }
    out += "data";
    for (const CommandRow& each : command_table()) {
      out += ' ';
      out += each.name;
    }
    out += '\n';
    ok("for one of them: command help on add");
  }

  void operator()(const StatusReport& r) {
    out += "data version ";
    out += r.version;
    number(out, " uptime_s ", r.uptime_s);
    const std::pair<std::string_view, std::uint64_t> counts[] = {
        {" accounts ", r.accounts},       {" names ", r.names},
        {" endpoints ", r.endpoints},     {" certificates ", r.certificates},
        {" connections ", r.connections}, {" scans_in_flight ", r.scans_in_flight},
    };
    for (const auto& [name, value] : counts) number(out, name, static_cast<std::int64_t>(value));
    out += '\n';
    ok("running");
  }

  void operator()(const UserName& r) {
    if (r.email.empty()) return ok("never claimed; next: command claim email E apikey K");
    out += "data ";
    out += r.email;
    out += '\n';
    ok("claimed");
  }

  void operator()(const CertificateAdded& r) {
    out += fmt::format("data id {} key {} names {}\n", r.id, r.key, r.names);
    if (r.refused == 0) return ok("watched; next: command expiration domain D apikey K wait 30");
    ok(fmt::format("watched, without {} names that the rules of this server forbid", r.refused));
  }

  void operator()(const Confirmed& r) {
    out += fmt::format("data purpose {}\n", purpose_name(r.purpose));
    ok("done");
  }

  void operator()(const NotifyState& r) {
    out += fmt::format("data mail {} digest {}", r.mail ? "on" : "off", digest_name(r.digest));
    if (!r.address.empty()) out += ' ' + r.address;
    out += '\n';
    ok(r.address.empty() ? "no address is known; next: command claim email E apikey K" : "set");
  }

  void operator()(const Changed& r) { ok(r.text); }
  void operator()(const AddressPage& r);
  void operator()(const AccountPage& r);
  void operator()(const KeyPage& r);
  void operator()(const DeadLetterPage& r);
};

// The rows of a page that fit, each on the one data line; says whether more follow, and after what.
template <class Row, class Write, class Name>
void page(Renderer& to, const std::vector<Row>& rows, bool more, std::string_view noun, Write write,
          Name name) {
  static constexpr std::size_t kStatusRoom = 150;
  std::string& out = to.out;
  std::size_t shown = 0;
  for (const Row& row : rows) {
    const std::size_t before = out.size();
    out += shown == 0 ? "data" : "";
    write(row);
    if (out.size() - to.start + kStatusRoom > kReplyBytes) {
      out.resize(before);
      break;
    }
    ++shown;
  }
  if (shown > 0) out += '\n';
  std::string text = fmt::format("{} {}; ", shown, noun);
  if ((more || shown < rows.size()) && shown > 0) {
    text += "more follow, ask again with: after " + name(rows[shown - 1]);
  } else {
    text += "no more follow";
  }
  to.ok(text);
}

std::string_view or_none(std::string_view text) {
  return text.empty() ? "-" : text;
}

void Renderer::operator()(const AddressPage& r) {
  page(
      *this, r.rows, r.more, "addresses",
      [this](const AddressRow& row) {
        out += fmt::format(" {} {}", row.ip.to_string(), row.problem);
      },
      [](const AddressRow& row) { return row.ip.to_string(); });
}

void Renderer::operator()(const AccountPage& r) {
  page(
      *this, r.rows, r.more, "accounts",
      [this](const AccountRow& row) {
        out += fmt::format(" account {} email {} state {} names {} keys {} quota {} created_utc {}",
                           row.id, or_none(row.email), row.state, row.names, row.keys, row.quota,
                           row.created_utc);
      },
      [](const AccountRow& row) { return std::to_string(row.id); });
}

void Renderer::operator()(const KeyPage& r) {
  page(
      *this, r.rows, r.more, "keys",
      [this](const KeyRow& row) {
        out += fmt::format(" key {} state {} names {} created_utc {} last_seen_utc {}",
                           hex(row.key), row.state, row.names, row.created_utc, row.last_seen_utc);
      },
      [](const KeyRow& row) { return hex(row.key); });
}

void Renderer::operator()(const DeadLetterPage& r) {
  page(
      *this, r.rows, r.more, "messages",
      [this](const DeadLetterRow& row) {
        out += fmt::format(" id {} channel {} event {} created_utc {}", row.id, row.channel,
                           row.event, row.created_utc);
      },
      [](const DeadLetterRow& row) { return std::to_string(row.id); });
}

void append_error(std::string& out, const Error& error) {
  std::string tail;
  if (error.retry_after_s > 0) tail = fmt::format("; retry in {} s", error.retry_after_s);
  finish(out, out.size(), fmt::format("error {}", line_code(error.kind)), error.detail, tail);
}

}  // namespace

void append_line(std::string& out, const ExpirationReport& report) {
  Renderer{out, out.size()}(report);
}

void append_line(std::string& out, const Reply& reply) {
  if (reply) {
    std::visit(Renderer{out, out.size()}, *reply);
  } else {
    append_error(out, reply.error());
  }
}

std::string render_line(const Reply& reply) {
  std::string out;
  append_line(out, reply);
  return out;
}

}  // namespace certline::line
