// Scans TLS ports on many loopback addresses in two ways: with certline's scanner and its verdict,
// and with a bare OpenSSL loop that connects, shakes hands, verifies and closes, on as many
// threads. Both print their rate, CPU and peak memory. The ratio is what counts.
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "addresses.hpp"
#include "pki/verdict.hpp"
#include "scanner/scanner.hpp"

namespace {

using namespace certline;
using Clock = std::chrono::steady_clock;

constexpr int kFailuresTold = 10;

struct Plan {
  std::string trust_file;
  std::uint16_t port = 0;
  int ports = 1;  // from `port` upwards
  int scans = 0, in_flight = 0;
  std::chrono::milliseconds deadline{10'000};
};

std::uint16_t port_of(const Plan& plan, int i) {
  return static_cast<std::uint16_t>(plan.port + i % plan.ports);
}

void report(const char* what, int scans, int good, int silent, Clock::time_point start) {
  const double wall = std::chrono::duration<double>(Clock::now() - start).count();
  rusage use{};
  ::getrusage(RUSAGE_SELF, &use);
  const double cpu = double(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                     double(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
  std::printf("%s scans %d ok %d silent %d wall_s %.3f cpu_s %.3f rate %.0f peak_kib %ld\n", what,
              scans, good, silent, wall, cpu, scans / wall, use.ru_maxrss);
}

int run_scanner(const Plan& plan) {
  const auto start = Clock::now();
  auto trust = pki::TrustStore::load(plan.trust_file);
  if (!trust) return 1;
  const std::shared_ptr<pki::Verifier> verifier =
      pki::Verifier::create(*trust, pki::IntermediatePool::create());
  scanner::ScannerSettings settings;
  settings.timeout = plan.deadline;
  settings.policy =
      std::make_shared<const scanner::AddressPolicy>(scanner::AddressPolicy::allow_everything());
  const auto scanner =
      scanner::Scanner::create(settings, verifier, [] { return UtcTime(std::time(nullptr)); });
  std::counting_semaphore<> slots(plan.in_flight);
  std::atomic<int> good{0}, silent{0}, failed{0}, done{0};
  for (int i = 0; i < plan.scans; ++i) {
    slots.acquire();
    auto ended = [&](const Observation& seen) {
      const AddressObservation& first = seen.addresses.at(0);
      if (first.state == ScanState::ok) {
        ++good;
      } else if (first.state == ScanState::timeout) {
        ++silent;
      } else if (++failed <= kFailuresTold) {
        std::fprintf(stderr, "%s %s\n", std::string(scan_state_name(first.state)).c_str(),
                     first.detail.c_str());
      }
      ++done;
      done.notify_one();
      slots.release();
    };
    scanner->scan({bench::target_address(i).to_string(), port_of(plan, i), Starttls::none}, ended);
  }
  for (int seen = done; seen < plan.scans; seen = done) done.wait(seen);
  report("scanner", plan.scans, good, silent, start);
  return 0;
}

bool shake_hands(SSL_CTX* context, const IpAddress& address, std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  std::memcpy(&to.sin_addr, address.bytes.data() + 12, 4);
  bool good = false;
  if (fd >= 0 && ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) {
    SSL* ssl = SSL_new(context);
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), address.to_string().c_str());
    SSL_set_fd(ssl, fd);
    good = SSL_connect(ssl) == 1 && SSL_get_verify_result(ssl) == X509_V_OK;
    SSL_shutdown(ssl);
    SSL_free(ssl);
  }
  ::close(fd);
  return good;
}

int run_bare_loop(const Plan& plan) {
  const auto start = Clock::now();
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_load_verify_file(context, plan.trust_file.c_str());
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  std::atomic<int> next{0}, good{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < plan.in_flight; ++t) {
    threads.emplace_back([&] {
      for (int i = next++; i < plan.scans; i = next++) {
        if (shake_hands(context, bench::target_address(i), port_of(plan, i))) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  SSL_CTX_free(context);
  report("bare_loop", plan.scans, good, 0, start);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) {
    std::fprintf(stderr,
                 "usage: scan_load scanner|bare_loop TRUST_FILE PORT PORTS SCANS IN_FLIGHT "
                 "DEADLINE_MS\n");
    return 2;
  }
  const auto number = [&](int at) { return std::atoi(argv[at]); };
  const Plan plan{argv[2],   static_cast<std::uint16_t>(number(3)), number(4), number(5),
                  number(6), std::chrono::milliseconds(number(7))};
  return std::string_view(argv[1]) == "scanner" ? run_scanner(plan) : run_bare_loop(plan);
}
