#pragma once
// A schedule driver over a real store, with a scanner that connects to nothing. The test says when
// a scan ends and what it saw.

#include <algorithm>
#include <condition_variable>
#include <future>
#include <mutex>
#include <stdexcept>

#include "daemon/scans/scan_driver.hpp"
#include "pki/verdict.hpp"
#include "tests/unit/daemon/service/service_fixture.hpp"

namespace certline::scans {

using namespace runtime;

constexpr std::chrono::seconds kPatience{30};

class FakeScanner final : public scanner::Scanner {
 public:
  void scan(scanner::Target target, Done done) override {
    const std::lock_guard lock(mutex_);
    begun_.push_back(target.host);
    under_way_.emplace_back(std::move(target.host), std::move(done));
    changed_.notify_all();
  }
  void reconfigure(scanner::ScannerSettings) override {}

  bool wait_begun(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return begun_.size() >= count; });
  }
  std::vector<std::string> begun() {
    const std::lock_guard lock(mutex_);
    return begun_;
  }
  std::vector<std::string> under_way() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> out;
    for (const auto& [host, done] : under_way_) out.push_back(host);
    return out;
  }
  // Of the scan that has been under way for the longest.
  Done take_first() {
    const std::lock_guard lock(mutex_);
    if (under_way_.empty()) throw std::logic_error("no scan is under way");
    Done done = std::move(under_way_.front().second);
    under_way_.erase(under_way_.begin());
    return done;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> begun_;
  std::vector<std::pair<std::string, Done>> under_way_;
};

struct DriverFixture : service::ServiceFixture {
  explicit DriverFixture(Config config = {}) : ServiceFixture(std::move(config)) {
    Entropy entropy{[this](std::uint8_t* out, std::size_t size) {
      if (no_random_bytes) throw std::runtime_error("no random bytes");
      std::fill(out, out + size, std::uint8_t{0x80});
    }};
    driver_parts.emplace(
        Parts{*store, log, gauges, [this] { return time.load(); }, std::move(entropy)});
    driver = std::make_unique<ScanDriver>(
        ScanDriverParts{*driver_parts, scanner, *pool, [this](EndpointId) { note_scanned(); }},
        settings);
    parts->on_due_changed = [this] { driver->wake(); };
    driver->start();
  }
  ~DriverFixture() {
    if (driver) driver->stop();
    service.reset();
    store.reset();  // its writer tells the driver of the last commits
  }

  void add(const std::string& host) {
    INFO(host);
    REQUIRE(code("command add domain " + host + " apikey " + service::kKey) == 200);
  }

  // Ends the oldest scan. One address serves `leaf`; none answers where it is empty.
  void end_scan(const std::string& leaf = "leaf") {
    const auto state = leaf.empty() ? ScanState::timeout : ScanState::ok;
    scanner.take_first()(seen({address("192.0.2.1", state, leaf)}));
  }
  // The same, and waits for its commit.
  void save_scan(const std::string& leaf = "leaf") {
    const std::size_t before = scanned_count();
    end_scan(leaf);
    REQUIRE(wait_scanned(before + 1));
    settle_driver();
  }

  // Whatever was asked of the driver's thread before is done, and the look at the schedule that
  // follows from it.
  void settle_driver() {
    for (int round = 0; round < 2; ++round) {
      const auto reached = std::make_shared<std::promise<void>>();
      driver->heartbeat([reached] { reached->set_value(); });
      REQUIRE(reached->get_future().wait_for(kPatience) == std::future_status::ready);
    }
  }

  bool wait_scanned(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return scanned_ >= count; });
  }
  std::size_t scanned_count() {
    const std::lock_guard lock(mutex_);
    return scanned_;
  }

  // From a scan of a certificate that is well to the next, with these random bytes.
  static UtcTime next_wait() {
    return kDay * 4 / 5 + static_cast<UtcTime>(0x8080808080808080u % (kDay * 2 / 5 + 1));
  }

  EndpointRecord endpoint(const std::string& host) {
    const store::ReadView view = store->read();
    return view.endpoints.find(view.endpoints.named(host, 443, Starttls::none).value()).value();
  }

  std::atomic<bool> no_random_bytes{false};  // then no scan can be applied
  FakeScanner scanner;
  std::shared_ptr<pki::IntermediatePool> pool = pki::IntermediatePool::create();
  std::optional<Parts> driver_parts;
  std::unique_ptr<ScanDriver> driver;

 private:
  void note_scanned() {
    const std::lock_guard lock(mutex_);
    ++scanned_;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t scanned_ = 0;
};

inline Config at_once(std::uint32_t concurrency) {
  Config config;
  config.scanner.special_names = true;
  config.scanner.concurrency = concurrency;
  return config;
}

}  // namespace certline::scans
