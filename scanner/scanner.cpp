// Several threads, each with its own io_context and resolver. A scan stays on the thread that got
// it. Every coroutine is a member of its thread's group. Shutdown cancels the members on their own
// thread, and the thread ends when the last of them has unwound. Next: resolver.cpp,
// address_policy.cpp, probe.cpp.

#include "scanner/scanner.hpp"

#include <algorithm>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

#include "protocol/text_limits.hpp"
#include "scanner/address_slots.hpp"
#include "scanner/probe.hpp"
#include "scanner/resolver.hpp"
#include "scanner/tls_context.hpp"

namespace certline::scanner {

namespace {

namespace asio = boost::asio;
using asio::awaitable;
using Settings = std::shared_ptr<const ScannerSettings>;

// What all threads share.
struct Shared {
  SslContextHandle tls = make_client_context();
  std::shared_ptr<pki::Verifier> verifier;
  std::function<UtcTime()> clock;
  AddressSlots slots;

  Shared(std::shared_ptr<pki::Verifier> v, std::function<UtcTime()> c, unsigned per_address)
      : verifier(std::move(v)), clock(std::move(c)), slots(per_address) {}
};

struct Job {
  Target target;
  Scanner::Done done;
  Settings settings;
};

// The rows of one scan; the last probe wakes the scan.
struct Gathering {
  Gathering(const asio::any_io_executor& executor, std::size_t count)
      : rows(count), outstanding(count), wake(executor, asio::steady_timer::time_point::max()) {}
  std::vector<Judged> rows;
  std::size_t outstanding;
  asio::steady_timer wake;
};

const OwnEndpoint* own_endpoint(const Target& target, const ScannerSettings& settings) {
  const auto found =
      std::find_if(settings.own.begin(), settings.own.end(), [&](const OwnEndpoint& own) {
        return own.port == target.port && own.host == target.host &&
               target.starttls == Starttls::none;
      });
  return found == settings.own.end() ? nullptr : &*found;
}

std::string detail(std::string text) {
  constexpr std::size_t kDetailBytes = 200;
  return shortened(std::move(text), kDetailBytes);
}

class Worker {
 public:
  explicit Worker(Shared& shared)
      : shared_(shared), work_(context_.get_executor()), thread_([this] { run(); }) {}

  ~Worker() {
    cancel();
    join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void start(Job job) {
    asio::post(context_, [this, job = std::move(job)]() mutable { spawn(scan(std::move(job))); });
  }

  void cancel() {
    asio::post(context_, [this] {
      stopping_ = true;
      // A member that ends at once leaves the list: go on from a copy of the positions.
      std::vector<std::shared_ptr<asio::cancellation_signal>> all(members_.begin(), members_.end());
      for (const auto& member : all) member->emit(asio::cancellation_type::terminal);
      resolver_.reset();  // its own waits must not keep the thread; scans that use it hold it
      work_.reset();
    });
  }

  void join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  void run() {
    // OpenSSL writes to sockets whose other end may be gone: an error here, not a signal.
    sigset_t broken_pipe;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
    context_.run();
  }

  void spawn(awaitable<void> coroutine) {
    if (stopping_) return;
    const auto member =
        members_.insert(members_.end(), std::make_shared<asio::cancellation_signal>());
    auto ended = [this, member, keep = *member](const std::exception_ptr& failure) {
      members_.erase(member);
      // scan and look report their own failures; the rest is cancellation, or no memory to report
      // with: a scan that vanished would be waited for as long as the process lives.
      if (failure && !stopping_) std::rethrow_exception(failure);
    };
    asio::co_spawn(context_, std::move(coroutine),
                   asio::bind_cancellation_slot((*member)->slot(), std::move(ended)));
  }

  std::shared_ptr<NameResolver> resolver(const Settings& settings) {
    if (resolver_ == nullptr || resolver_for_ != settings) {
      resolver_ =
          std::make_shared<NameResolver>(context_, settings->resolvers, settings->dns_timeout);
      resolver_for_ = settings;
    }
    return resolver_;
  }

  awaitable<void> scan(Job job) {
    Observation out;
    out.started_utc = shared_.clock();
    try {
      co_await observe(job, out);
    } catch (const std::exception& e) {
      if (stopping_) throw;
      out.resolution = ScanState::dns_error;
      out.detail = detail("the scan failed: " + quoted(e.what(), 150));
      out.addresses.clear();
    }
    if (stopping_) co_return;
    out.finished_utc = shared_.clock();
    job.done(std::move(out));
  }

  awaitable<void> observe(const Job& job, Observation& out) {
    std::vector<IpAddress> addresses;
    const OwnEndpoint* const own = own_endpoint(job.target, *job.settings);
    if (own != nullptr) {
      addresses.push_back(own->address);
      out.resolution = ScanState::ok;
    } else if (const auto literal = IpAddress::parse(job.target.host)) {
      addresses.push_back(*literal);
      out.resolution = ScanState::ok;
    } else {
      const auto names = resolver(job.settings);
      Resolved resolved = co_await names->resolve(job.target.host);
      out.resolution = resolved.state;
      out.detail = detail(std::move(resolved.detail));
      addresses = std::move(resolved.addresses);
    }
    const auto executor = co_await asio::this_coro::executor;
    const auto gathering = std::make_shared<Gathering>(executor, addresses.size());
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      spawn(look(job.target, job.settings, addresses[i], own != nullptr, gathering, i));
    }
    while (gathering->outstanding > 0) {
      co_await gathering->wake.async_wait(asio::as_tuple(asio::use_awaitable));
      if (stopping_) co_return;
    }
    collect(*gathering, out);
  }

  static void collect(Gathering& gathering, Observation& out) {
    for (Judged& judged : gathering.rows) {
      out.addresses.push_back(std::move(judged.row));
      for (ObservedCertificate& proven : judged.proven_intermediates) {
        const auto same = [&](const ObservedCertificate& c) { return c.sha256 == proven.sha256; };
        auto& known = out.proven_intermediates;
        if (std::none_of(known.begin(), known.end(), same)) known.push_back(std::move(proven));
      }
    }
  }

  // One address of a scan, its row at `index`.
  awaitable<void> look(Target target, Settings settings, IpAddress address, bool own,
                       std::shared_ptr<Gathering> gathering, std::size_t index) {
    Judged& judged = gathering->rows[index];
    judged.row.address = address;
    try {
      const auto refusal = own ? std::nullopt : settings->policy->refusal(address);
      if (refusal) {
        judged.row.state = ScanState::policy;
        judged.row.detail = detail(*refusal);
      } else {
        const auto place = co_await shared_.slots.enter(address);
        const ProbeTarget probed{address,     target.port,         target.starttls,
                                 target.host, settings->ehlo_name, settings->timeout};
        ProbeFacts facts = co_await probe(probed, shared_.tls.get());
        judged = judge_probe(probed, std::move(facts), *shared_.verifier, shared_.clock());
      }
    } catch (const std::exception& e) {
      if (stopping_) throw;
      judged = {};
      judged.row.address = address;
      judged.row.state = ScanState::tls_error;
      judged.row.detail = detail("the probe failed: " + quoted(e.what(), 150));
    }
    if (--gathering->outstanding == 0) gathering->wake.cancel();
  }

  Shared& shared_;
  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  // Below: used on the thread only.
  std::list<std::shared_ptr<asio::cancellation_signal>> members_;
  std::shared_ptr<NameResolver> resolver_;
  Settings resolver_for_;
  bool stopping_ = false;
  std::thread thread_;
};

class ThreadedScanner final : public Scanner {
 public:
  ThreadedScanner(ScannerSettings settings, std::shared_ptr<pki::Verifier> verifier,
                  std::function<UtcTime()> clock)
      : shared_(std::move(verifier), std::move(clock), settings.per_address),
        settings_(std::make_shared<const ScannerSettings>(std::move(settings))) {
    const unsigned cores = std::max(std::thread::hardware_concurrency(), 1u);
    const unsigned count = settings_->threads == 0 ? cores : settings_->threads;
    for (unsigned i = 0; i < count; ++i) workers_.push_back(std::make_unique<Worker>(shared_));
  }

  ~ThreadedScanner() override {
    for (const auto& worker : workers_) worker->cancel();
    for (const auto& worker : workers_) worker->join();
  }

  void scan(Target target, Done done) override {
    Job job{std::move(target), std::move(done), settings()};
    const std::size_t turn = turn_.fetch_add(1, std::memory_order_relaxed);
    workers_[turn % workers_.size()]->start(std::move(job));
  }

  void reconfigure(ScannerSettings settings) override {
    shared_.slots.set_limit(settings.per_address);
    auto fresh = std::make_shared<const ScannerSettings>(std::move(settings));
    const std::lock_guard lock(mutex_);
    settings_ = std::move(fresh);
  }

 private:
  Settings settings() {
    const std::lock_guard lock(mutex_);
    return settings_;
  }

  Shared shared_;
  std::mutex mutex_;
  Settings settings_;
  std::atomic<std::size_t> turn_{0};
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace

std::unique_ptr<Scanner> Scanner::create(ScannerSettings settings,
                                         std::shared_ptr<pki::Verifier> verifier,
                                         std::function<UtcTime()> clock) {
  if (settings.policy == nullptr) throw std::logic_error("a scanner needs an address policy");
  return std::make_unique<ThreadedScanner>(std::move(settings), std::move(verifier),
                                           std::move(clock));
}

}  // namespace certline::scanner
