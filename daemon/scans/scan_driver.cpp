// One loop: it starts what is due and not under way, as far as the concurrency allows. A due entry
// leaves the index only when its scan is committed, so a crash loses no scan. Next:
// scanner/scanner.cpp, then scan_apply.cpp.
#include "daemon/scans/scan_driver.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <thread>

#include "inventory/schedule.hpp"

namespace certline::scans {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::seconds kTick{1};
// A scan whose results could not be saved is not repeated before this.
constexpr std::chrono::seconds kUnsavedPause{60};

class StoredDueIndex final : public DueIndex {
 public:
  explicit StoredDueIndex(const store::ReadView& view) : view_(view) {}
  std::vector<DueEntry> due(DueEntry after, UtcTime until, std::size_t most) const override {
    return view_.endpoints.due(after, until).first(most);
  }

 private:
  const store::ReadView& view_;
};

}  // namespace

struct ScanDriver::Impl : std::enable_shared_from_this<ScanDriver::Impl> {
  Impl(ScanDriverParts p, runtime::SettingsPtr s)
      : parts(std::move(p)),
        settings(std::move(s)),
        concurrency(settings->config.scanner.concurrency) {}

  void tick();
  void request_tick();
  void schedule_tick(std::chrono::steady_clock::duration after);
  void launch(EndpointId id, const store::ReadView& view);
  void finished(EndpointId id, bool saved);

  ScanDriverParts parts;
  runtime::SettingsPtr settings;
  // Jobs that come after this one's end still use it.
  std::shared_ptr<OutageState> outages = std::make_shared<OutageState>();
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> keep_running{io.get_executor()};
  asio::steady_timer timer{io};
  std::unique_ptr<Dispatcher> dispatcher;
  std::uint32_t concurrency;
  std::atomic<bool> tick_requested{false};
  std::atomic<bool> busy{false};  // as many scans under way as may be
  std::thread thread;
};

namespace {

// What a scan is applied with, as it was when the scan began.
struct ScanStart {
  runtime::SettingsPtr settings;
  std::shared_ptr<OutageState> outages;
};

class ScanJob final : public store::WriteJob {
 public:
  ScanJob(std::weak_ptr<ScanDriver::Impl> driver, ScanDriverParts parts, ScanStart start,
          EndpointId id, scanner::Target target, Observation seen)
      : driver_(std::move(driver)),
        parts_(std::move(parts)),
        start_(std::move(start)),
        id_(id),
        target_(std::move(target)),
        seen_(std::move(seen)) {}

  void apply(store::WriteView& view) override {
    const Random random = [this] { return parts_.parts.entropy.number(); };
    const runtime::Config& config = start_.settings->config;
    now_ = parts_.parts.now();
    told_outage_ = tell_outage_change(view, *start_.outages, config, now_);
    hint_ = apply_scan(view, id_, target_, seen_,
                       {config, now_, random, start_.outages->watch.outage()});
  }

  void done(store::CommitOutcome outcome) override {
    const bool saved = outcome == store::CommitOutcome::committed;
    if (saved) {
      parts_.parts.gauges.last_scan_utc = now_;
      start_.outages->told = told_outage_;
      if (hint_) start_.outages->watch.note(id_, hint_->failed, now_);
    } else {
      const Error error = parts_.parts.commit_error(outcome);
      parts_.parts.log.write_limited(runtime::LogLevel::error, "scan_not_saved",
                                     {{"host", target_.host}, {"why", error.detail}});
    }
    if (const auto driver = driver_.lock()) {
      // Weak again: what is posted to a stopped loop stays in it, and must not keep it.
      asio::post(driver->io, [weak = driver_, id = id_, saved] {
        if (const auto self = weak.lock()) self->finished(id, saved);
      });
    }
    if (saved) parts_.scanned(id_);
  }

 private:
  const std::weak_ptr<ScanDriver::Impl> driver_;
  const ScanDriverParts parts_;
  const ScanStart start_;
  const EndpointId id_;
  const scanner::Target target_;
  const Observation seen_;
  UtcTime now_ = 0;
  std::optional<bool> told_outage_;
  std::optional<NetworkHint> hint_;
};

void log_scan(runtime::Log& log, const scanner::Target& target, const Observation& seen) {
  if (!log.enabled(runtime::LogLevel::debug)) return;
  for (const AddressObservation& a : seen.addresses) {
    log.write(runtime::LogLevel::debug, "scanned",
              {{"host", target.host},
               {"port", target.port},
               {"address", a.address.to_string()},
               {"state", scan_state_name(a.state)},
               {"detail", a.detail}});
  }
  if (seen.addresses.empty()) {
    log.write(runtime::LogLevel::debug, "scanned",
              {{"host", target.host},
               {"port", target.port},
               {"state", scan_state_name(seen.resolution)},
               {"detail", seen.detail}});
  }
}

}  // namespace

void ScanDriver::Impl::launch(EndpointId id, const store::ReadView& view) {
  const auto endpoint = view.endpoints.find(id);
  if (!endpoint) return dispatcher->finished(id);
  scanner::Target target{endpoint->host, endpoint->port, endpoint->starttls};
  auto done = [weak = weak_from_this(), parts = parts, start = ScanStart{settings, outages}, id,
               target](Observation seen) {
    log_scan(parts.parts.log, target, seen);
    for (const ObservedCertificate& c : seen.proven_intermediates) parts.pool.add(c);
    parts.parts.store.submit(
        std::make_unique<ScanJob>(weak, parts, start, id, target, std::move(seen)));
  };
  parts.scanner.scan(target, std::move(done));
}

void ScanDriver::Impl::tick() {
  const UtcTime now = parts.parts.now();
  try {
    const store::ReadView view = parts.parts.store.read();
    if (!dispatcher) {
      const std::uint64_t overdue = view.endpoints.due_count(now - 1);
      dispatcher = std::make_unique<Dispatcher>(now, overdue);
    }
    if (dispatcher->in_flight() < concurrency) {
      const StoredDueIndex index(view);
      for (const EndpointId id :
           dispatcher->take(index, now, concurrency - dispatcher->in_flight())) {
        launch(id, view);
      }
    }
    busy = dispatcher->in_flight() >= concurrency;
    parts.parts.gauges.scans_in_flight.store(dispatcher->in_flight());
  } catch (const std::exception& failure) {
    parts.parts.log.write_limited(runtime::LogLevel::error, "schedule_failed",
                                  {{"what", failure.what()}});
  }
  schedule_tick(kTick);
}

// However many scans end or names arrive meanwhile, one look at the index serves them all.
void ScanDriver::Impl::request_tick() {
  if (tick_requested.exchange(true)) return;
  asio::post(io, [this] {
    tick_requested = false;
    tick();
  });
}

void ScanDriver::Impl::schedule_tick(std::chrono::steady_clock::duration after) {
  timer.expires_after(after);
  timer.async_wait([this](const boost::system::error_code& ec) {
    if (!ec) tick();
  });
}

void ScanDriver::Impl::finished(EndpointId id, bool saved) {
  if (saved) {
    dispatcher->finished(id);
    return request_tick();
  }
  auto pause = std::make_shared<asio::steady_timer>(io, kUnsavedPause);
  pause->async_wait([this, pause, id](const boost::system::error_code& ec) {
    if (!ec) dispatcher->finished(id);
  });
}

ScanDriver::ScanDriver(ScanDriverParts parts, runtime::SettingsPtr settings)
    : impl_(std::make_shared<Impl>(std::move(parts), std::move(settings))) {}

ScanDriver::~ScanDriver() {
  stop();
}

void ScanDriver::stop() {
  impl_->io.stop();
  if (impl_->thread.joinable()) impl_->thread.join();
}

void ScanDriver::start() {
  impl_->schedule_tick(std::chrono::seconds(0));
  impl_->thread = std::thread([impl = impl_] { impl->io.run(); });
}

void ScanDriver::wake() {
  if (!impl_->busy) impl_->request_tick();  // otherwise the next scan that ends looks again
}

void ScanDriver::reload(runtime::SettingsPtr settings) {
  asio::post(impl_->io, [impl = impl_.get(), settings = std::move(settings)] {
    impl->settings = settings;
    impl->concurrency = settings->config.scanner.concurrency;
  });
}

void ScanDriver::heartbeat(std::function<void()> beat) {
  asio::post(impl_->io, std::move(beat));
}

}  // namespace certline::scans
