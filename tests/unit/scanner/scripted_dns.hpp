#pragma once
// A DNS server on a free loopback port, UDP and TCP. A function writes its answers.

#include <poll.h>

#include <mutex>
#include <optional>

#include "loopback_servers.hpp"

namespace certline::scanner::test {

inline constexpr int kTypeA = 1, kTypeCname = 5, kTypeAaaa = 28;

struct DnsQuestion {
  std::string name;  // lower case, dotted
  int type = 0;
  bool tcp = false;
};

struct DnsRecord {
  int type = kTypeA;
  std::string data;                // RDATA
  std::string owner = "\xc0\x0c";  // in wire form; the question's name unless given
};

struct DnsAnswer {
  int rcode = 0;
  std::vector<DnsRecord> records{};
  bool truncated = false;
  // Gives what is sent instead of the message that the rest describes.
  std::function<std::vector<std::string>(const std::string&)> packets{};
};

inline std::string wire_name(const std::string& dotted) {
  std::string out;
  for (std::size_t at = 0; at < dotted.size();) {
    const std::size_t end = std::min(dotted.find('.', at), dotted.size());
    out += static_cast<char>(end - at);
    out += dotted.substr(at, end - at);
    at = end + 1;
  }
  return out + '\0';
}

inline DnsRecord a_record(std::uint32_t address) {
  std::string data;
  for (const int shift : {24, 16, 8, 0}) data += static_cast<char>(address >> shift);
  return {kTypeA, data};
}

inline DnsRecord aaaa_record(const std::string& text) {
  const IpAddress address =
      IpAddress::parse(text).value();  // no assertion: servers have own threads
  return {kTypeAaaa, std::string(address.bytes.begin(), address.bytes.end())};
}

inline DnsRecord cname(const std::string& owner, const std::string& to) {
  return {kTypeCname, wire_name(to), wire_name(owner)};
}

class ScriptedDns {
 public:
  // nullopt: no answer at all.
  using Script = std::function<std::optional<DnsAnswer>(const DnsQuestion&)>;

  explicit ScriptedDns(Script script)
      : script_(std::move(script)), tcp_([this](int fd, int) { serve_tcp(fd); }) {
    udp_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const sockaddr_in at = loopback(INADDR_LOOPBACK, tcp_.port());
    REQUIRE(bind(udp_, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
    REQUIRE(pipe(stop_) == 0);
    thread_ = std::thread([this] { serve_udp(); });
  }
  ~ScriptedDns() {
    close(stop_[1]);
    thread_.join();
    close(stop_[0]);
    close(udp_);
  }
  ScriptedDns(const ScriptedDns&) = delete;
  ScriptedDns& operator=(const ScriptedDns&) = delete;

  std::uint16_t port() const { return tcp_.port(); }

 private:
  static std::string two(std::size_t value) {
    return {static_cast<char>(value >> 8), static_cast<char>(value)};
  }

  std::vector<std::string> respond(const std::string& query, bool tcp) {
    if (query.size() < 17) return {};
    DnsQuestion question{{}, 0, tcp};
    std::size_t at = 12;
    while (at < query.size() && query[at] != 0) {
      const auto size = static_cast<std::size_t>(query[at]);
      question.name += (question.name.empty() ? "" : ".") + query.substr(at + 1, size);
      at += size + 1;
    }
    question.name = ascii_lower(question.name);
    if (at + 5 > query.size()) return {};
    question.type = query[at + 1] * 256 + query[at + 2];
    std::optional<DnsAnswer> answer;
    {
      const std::lock_guard lock(mutex_);
      answer = script_(question);
    }
    if (!answer) return {};
    std::string out = query.substr(0, 2);
    out += static_cast<char>(0x81 | (answer->truncated ? 2 : 0));
    out += static_cast<char>(0x80 | answer->rcode);
    out += two(1) + two(answer->records.size()) + two(0) + two(0) + query.substr(12, at + 5 - 12);
    for (const DnsRecord& r : answer->records) {
      out += r.owner + two(static_cast<std::size_t>(r.type)) + two(1) + two(0) + two(60) +
             two(r.data.size()) + r.data;
    }
    if (answer->packets) return answer->packets(out);
    return {out};
  }

  void serve_udp() {
    for (;;) {
      pollfd waits[2] = {{udp_, POLLIN, 0}, {stop_[0], POLLIN, 0}};
      if (poll(waits, 2, -1) < 0 || waits[1].revents != 0) return;
      char bytes[2048];
      sockaddr_in from{};
      socklen_t size = sizeof from;
      const ssize_t got =
          recvfrom(udp_, bytes, sizeof bytes, 0, reinterpret_cast<sockaddr*>(&from), &size);
      if (got <= 0) continue;
      for (const std::string& reply : respond({bytes, static_cast<std::size_t>(got)}, false)) {
        sendto(udp_, reply.data(), reply.size(), 0, reinterpret_cast<const sockaddr*>(&from), size);
      }
    }
  }

  void serve_tcp(int fd) {
    std::string in;
    for (;;) {
      const std::string more = hear(fd);
      if (more.empty()) return;
      in += more;
      while (in.size() >= 2) {
        const std::size_t size =
            static_cast<unsigned char>(in[0]) * 256u + static_cast<unsigned char>(in[1]);
        if (in.size() < 2 + size) break;
        const auto replies = respond(in.substr(2, size), true);
        in.erase(0, 2 + size);
        for (const std::string& reply : replies) say(fd, two(reply.size()) + reply);
      }
    }
  }

  std::mutex mutex_;
  Script script_;
  LoopbackServer tcp_;
  int udp_ = -1;
  int stop_[2] = {-1, -1};
  std::thread thread_;
};

}  // namespace certline::scanner::test
