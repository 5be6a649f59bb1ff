// A closed-loop load generator for one-line protocols: N connections on one thread, each with a
// fixed number of requests under way. Of the protocol it knows only the first byte of a reply's
// last line. So the same program drives certlined and its peer, and costs both the same.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Plan {
  std::uint16_t port = 0;
  int connections = 50, pipeline = 1;
  char last = '+';  // the last line of a reply begins with it, and no other
  double seconds = 3;
  // "%d" becomes a number that never repeats, "%r" a random one below `names`; nine digits each.
  std::string request;
  unsigned names = 0;
};

// What was sent at one time and is not answered yet.
struct Sent {
  Clock::time_point at;
  int requests = 0;
};

struct Connection {
  int fd = -1;
  std::string out;
  char line = 0;          // the first byte of the line that is coming in; 0: none has come
  std::deque<Sent> sent;  // oldest first
};

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    fail("connect");
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

class Load {
 public:
  explicit Load(const Plan& plan) : plan_(plan), placeholder_(plan.request.find('%')) {
    epoll_ = ::epoll_create1(0);
    connections_.resize(plan.connections);
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      connections_[i].fd = connect_to(plan.port);
      epoll_event event{EPOLLIN, {}};
      event.data.u64 = i;
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_[i].fd, &event);
    }
  }

  void run() {
    const auto start = Clock::now();
    const auto until = start + std::chrono::duration<double>(plan_.seconds);
    for (Connection& c : connections_) send(c, plan_.pipeline);
    std::vector<epoll_event> events(256);
    while (Clock::now() < until) {
      const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 100);
      for (int i = 0; i < n; ++i) receive(connections_[events[i].data.u64]);
    }
    const double took = std::chrono::duration<double>(Clock::now() - start).count();
    std::printf("rate %.0f p50_us %ld p99_us %ld errors %ld\n", double(answered_) / took,
                percentile(0.5), percentile(0.99), errors_);
  }

 private:
  static constexpr std::size_t kDigits = 9;
  static constexpr std::string_view kOurError = "status error", kUnknownName = "status error 404";
  static constexpr std::size_t kSlowestUs = 10'000'000;

  long percentile(double p) const {
    const double wanted = p * double(answered_);
    double seen = 0;
    for (std::size_t us = 0; us < latencies_.size(); ++us) {
      if ((seen += double(latencies_[us])) > wanted) return static_cast<long>(us);
    }
    return 0;
  }

  unsigned next_number() {
    if (plan_.request[placeholder_ + 1] == 'd') return 100'000'000 + next_number_++;
    random_ = random_ * 6364136223846793005 + 1442695040888963407;
    return static_cast<unsigned>((random_ >> 32) * plan_.names >> 32);
  }

  void send(Connection& c, int count) {
    c.out.clear();
    for (int i = 0; i < count; ++i) {
      if (placeholder_ == std::string::npos) {
        c.out += plan_.request;
      } else {
        c.out.append(plan_.request, 0, placeholder_);
        c.out.append(kDigits, '0');
        char* digit = c.out.data() + c.out.size();
        for (unsigned n = next_number(); n > 0; n /= 10) *--digit = static_cast<char>('0' + n % 10);
        c.out.append(plan_.request, placeholder_ + 2);
      }
    }
    c.sent.push_back({Clock::now(), count});
    for (std::size_t done = 0; done < c.out.size();) {
      const ssize_t n = ::send(c.fd, c.out.data() + done, c.out.size() - done, MSG_NOSIGNAL);
      if (n < 0 && errno == EAGAIN) continue;  // a few kilobytes: the peer is reading
      if (n < 0) fail("send");
      done += static_cast<std::size_t>(n);
    }
  }

  void receive(Connection& c) {
    const ssize_t n = ::recv(c.fd, buffer_, sizeof buffer_, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) fail("the server closed the connection");
    int complete = 0;
    const char* const end = buffer_ + n;
    for (const char* at = buffer_; at < end; ++at) {
      if (c.line == 0) {
        c.line = *at;
        // One whose first bytes come apart is missed, a run of them is not.
        const std::string_view rest(at, end);
        const bool error = rest.starts_with(kOurError) && !rest.starts_with(kUnknownName);
        if (error || *at == '-') ++errors_;
      }
      at = static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at)));
      if (at == nullptr) break;
      if (std::exchange(c.line, '\0') == plan_.last) ++complete;
    }
    if (complete == 0) return;
    note_answers(c, complete);
    send(c, complete);
  }

  void note_answers(Connection& c, int complete) {
    answered_ += complete;
    const auto now = Clock::now();
    while (complete > 0) {
      Sent& oldest = c.sent.front();
      const int these = std::min(complete, oldest.requests);
      const auto us = std::chrono::duration_cast<std::chrono::microseconds>(now - oldest.at);
      latencies_[std::min(static_cast<std::size_t>(us.count()), kSlowestUs)] +=
          static_cast<unsigned>(these);
      complete -= these;
      if ((oldest.requests -= these) == 0) c.sent.pop_front();
    }
  }

  const Plan plan_;
  const std::size_t placeholder_;
  int epoll_ = -1;
  unsigned next_number_ = 0;
  std::uint64_t random_ = 1;
  long errors_ = 0;
  std::vector<Connection> connections_;
  long answered_ = 0;
  std::vector<unsigned> latencies_ =
      std::vector<unsigned>(kSlowestUs + 1);  // how many took so many microseconds
  char buffer_[64 * 1024];
};

std::string unescape(const char* text) {
  std::string out;
  for (; *text != '\0'; ++text) {
    if (text[0] == '\\' && (text[1] == 'r' || text[1] == 'n')) {
      out += *++text == 'r' ? '\r' : '\n';
    } else {
      out += *text;
    }
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7 && argc != 8) {
    std::fprintf(stderr,
                 "usage: line_load PORT CONNECTIONS PIPELINE LAST SECONDS REQUEST [NAMES]\n");
    return 2;
  }
  Plan plan;
  plan.port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  plan.connections = std::atoi(argv[2]);
  plan.pipeline = std::atoi(argv[3]);
  plan.last = argv[4][0];
  plan.seconds = std::atof(argv[5]);
  plan.request = unescape(argv[6]);
  if (argc == 8) plan.names = static_cast<unsigned>(std::atoi(argv[7]));
  try {
    Load(plan).run();
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "line_load: %s\n", failure.what());
    return 1;
  }
  return 0;
}
