// The daemon as a process. It starts its parts in the order in which they need each other:
// configuration, trust, store, scanner, listeners; then it tells its supervisor that it is ready.
// It stops them backwards, so that every acknowledged change is stored. What the parts share is
// runtime/parts.hpp.
#include "daemon/process.hpp"

#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <exception>
#include <new>
#include <optional>
#include <thread>

#include "daemon/notices/notifier.hpp"
#include "daemon/own_endpoints.hpp"
#include "daemon/runtime/version.hpp"
#include "daemon/scans/scan_driver.hpp"
#include "daemon/server/server.hpp"
#include "daemon/server/tls_identity.hpp"
#include "daemon/service/own_watches.hpp"
#include "daemon/service/service.hpp"
#include "pki/verdict.hpp"
#include "store/lmdb/open.hpp"

namespace certline::daemon {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::seconds kDrain{4};          // of the 5 s a supervisor is promised
constexpr std::chrono::seconds kIdentityCheck{2};  // between two looks at the certificate's files

UtcTime wall_clock() {
  return std::time(nullptr);
}

// What nobody caught, such as a want of memory in an event loop, ends the process for its
// supervisor: with one line that says so, made and written without memory. What was acknowledged is
// stored, so there is nothing to put in order.
[[noreturn]] void die_with_a_line() noexcept {
  const char* why = "a thread could not be ended in order";
  std::array<char, 256> line{}, when{};
  if (std::current_exception()) {
    try {
      throw;
    } catch (const std::bad_alloc&) {
      why = "out of memory";
    } catch (const std::exception& failure) {
      why = failure.what();
    } catch (...) {
      why = "unknown exception";
    }
  }
  const std::time_t now = wall_clock();
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::strftime(when.data(), when.size(), "%Y-%m-%dT%H:%M:%S.000Z", &parts);
  const int size =
      std::snprintf(line.data(), line.size(), "%s error died why=\"%.180s\"\n", when.data(), why);
  (void)!::write(STDERR_FILENO, line.data(), static_cast<std::size_t>(size));
  ::_exit(1);
}

void prepare_process() {
  std::signal(SIGPIPE, SIG_IGN);
  const rlimit no_core{0, 0};  // a dump would hold API keys
  ::setrlimit(RLIMIT_CORE, &no_core);
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
}

// With only this thread left, a second SIGTERM must not end the process by its default action in
// the moment between the handler's removal and the exit.
void ignore_late_signals() {
  sigset_t late;
  sigemptyset(&late);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&late, number);
  ::pthread_sigmask(SIG_BLOCK, &late, nullptr);
}

// Everything that lives as long as the daemon serves. Members are destroyed last to first.
class Process {
 public:
  Process(std::string config_file, runtime::Config config)
      : config_file_(std::move(config_file)),
        settings_(runtime::make_settings(std::move(config))),
        log_(settings_->config.log.level) {}

  int run();

 private:
  Result<void> start();
  void load_intermediates();
  void watch_signals();
  void reload();
  Result<void> load_identity();
  void exchange_identity();
  void watch_identity();
  void watch_own();
  scanner::ScannerSettings scanner_settings() const;
  void watch_heartbeat();
  void beat_round();
  void stop(int status);

  const std::string config_file_;
  runtime::SettingsPtr settings_;
  runtime::Log log_;
  runtime::Gauges gauges_;
  asio::io_context main_{1};
  asio::signal_set signals_{main_};
  asio::steady_timer watchdog_{main_};
  asio::steady_timer identity_check_{main_};
  std::uint64_t watchdog_us_ = 0;
  std::shared_ptr<std::atomic<int>> beats_missing_ = std::make_shared<std::atomic<int>>(0);
  int exit_status_ = 0;
  std::unique_ptr<store::Store> store_;
  std::optional<runtime::Parts> parts_;
  std::unique_ptr<service::Service> service_;
  std::shared_ptr<pki::IntermediatePool> pool_;
  std::shared_ptr<pki::Verifier> verifier_;
  std::unique_ptr<server::TlsFiles> tls_files_;
  server::TlsIdentityPtr identity_;
  std::vector<server::Bound> bound_;
  std::unique_ptr<server::Server> server_;
  std::unique_ptr<scans::ScanDriver> driver_;
  std::unique_ptr<scanner::Scanner> scanner_;
  std::unique_ptr<notices::Notifier> notifier_;
};

Result<void> Process::start() {
  const runtime::Config& config = settings_->config;
  auto trust = pki::TrustStore::load(config.trust_file());
  if (!trust) return trust.error();
  if (auto loaded = load_identity(); !loaded) return loaded.error();
  const auto note = [this](const std::string& text) {
    log_.write(runtime::LogLevel::warning, "store_not_checked", {{"why", text}});
  };
  auto store = store::lmdb::open({config.store.path, config.store.map_size, false, note});
  if (!store) return store.error();
  store_ = std::move(*store);

  const auto panic = [this] {
    asio::post(main_, [this] {
      log_.write(runtime::LogLevel::error, "store_panic",
                 {{"do", "restart; if it repeats, check the disk and restore a backup"}});
      stop(1);
    });
  };
  parts_.emplace(runtime::Parts{*store_, log_, gauges_, wall_clock, runtime::Entropy::system(),
                                panic, [this] { driver_->wake(); }});
  service_ = std::make_unique<service::Service>(*parts_, config.line.remembered_answers);
  pool_ = pki::IntermediatePool::create();
  load_intermediates();
  verifier_ = pki::Verifier::create(*trust, pool_);
  scanner_ = scanner::Scanner::create(config.scanner_settings(), verifier_, wall_clock);
  server_ = std::make_unique<server::Server>(*service_, log_, gauges_, settings_, identity_);
  driver_ = std::make_unique<scans::ScanDriver>(
      scans::ScanDriverParts{*parts_, *scanner_, *pool_,
                             [this](EndpointId id) { server_->endpoint_scanned(id); }},
      settings_);
  notifier_ = std::make_unique<notices::Notifier>(notices::NotifierParts{*parts_}, settings_);
  auto bound = server_->start();
  if (!bound) return bound.error();
  bound_ = std::move(*bound);
  watch_own();
  driver_->start();
  notifier_->start();
  for (const server::Bound& each : bound_) {
    log_.announce("listening",
                  {{"protocol", server::wire_name(each.wire)}, {"address", each.to_string()}});
  }
  log_.write(
      runtime::LogLevel::info, "ready",
      {{"version", runtime::kVersion}, {"roots", static_cast<std::int64_t>((*trust)->size())}});
  return {};
}

void Process::load_intermediates() {
  for (auto& [sha256, der] : store_->read().certificates.intermediates())
    pool_->add({sha256, std::move(der)});
}

void Process::watch_signals() {
  signals_.async_wait([this](const boost::system::error_code& ec, int number) {
    if (ec) return;
    if (number == SIGHUP) {
      reload();
      return watch_signals();
    }
    log_.write(runtime::LogLevel::info, "stopping", {{"signal", number}});
    stop(0);
  });
}

// What a reload cannot change.
bool needs_restart(const runtime::Config& old, const runtime::Config& now) {
  return now.store.path != old.store.path || now.store.map_size != old.store.map_size ||
         now.line.listen != old.line.listen || now.line.listen_tls != old.line.listen_tls ||
         now.line.socket != old.line.socket || now.http.listen != old.http.listen ||
         now.http.listen_tls != old.http.listen_tls || now.tls.on() != old.tls.on() ||
         now.line.threads != old.line.threads ||
         now.line.remembered_answers != old.line.remembered_answers ||
         now.scanner.threads != old.scanner.threads;
}

void Process::reload() {
  ::sd_notify(0, "RELOADING=1");
  const auto finish = [this](runtime::LogLevel level, std::string_view event,
                             std::string_view why) {
    log_.write(level, event, {{"file", config_file_}, {"detail", why}});
    ::sd_notify(0, "READY=1");
  };
  auto config = config_file_.empty() ? Result<runtime::Config>(runtime::Config{})
                                     : runtime::load_config(config_file_);
  if (!config) return finish(runtime::LogLevel::error, "reload_refused", config.error().detail);
  auto trust = pki::TrustStore::load(config->trust_file());
  if (!trust) return finish(runtime::LogLevel::error, "reload_refused", trust.error().detail);

  const bool restart = needs_restart(settings_->config, *config);
  settings_ = runtime::make_settings(std::move(*config));
  log_.set_level(settings_->config.log.level);
  verifier_->set_trust(*trust);
  scanner_->reconfigure(scanner_settings());
  driver_->reload(settings_);
  notifier_->reload(settings_);
  server_->reload(settings_);
  if (tls_files_ && settings_->config.tls.on()) {
    const auto& tls = settings_->config.tls;
    if (!tls_files_->same_paths(tls.certificate, tls.key)) {
      tls_files_ = std::make_unique<server::TlsFiles>(tls.certificate, tls.key);
    }
    exchange_identity();
  }
  finish(runtime::LogLevel::info, "reloaded",
         restart ? "store.*, listeners, line.remembered_answers and *.threads take effect at the "
                   "next start"
                 : "all");
}

Result<void> Process::load_identity() {
  const auto& tls = settings_->config.tls;
  if (!tls.on()) return {};
  tls_files_ = std::make_unique<server::TlsFiles>(tls.certificate, tls.key);
  auto loaded = tls_files_->load();
  if (!loaded) return loaded.error();
  identity_ = *loaded;
  return {};
}

// Connections go on with the certificate that they began with.
void Process::exchange_identity() {
  auto loaded = tls_files_->load();
  if (!loaded) {
    log_.write(
        runtime::LogLevel::error, "certificate_refused",
        {{"detail", loaded.error().detail}, {"do", "the old one is served until it is right"}});
    return;
  }
  identity_ = *loaded;
  server_->set_identity(identity_);
  watch_own();
  log_.write(runtime::LogLevel::info, "certificate_loaded",
             {{"sha256", hex(identity_->sha256())}, {"not_after", identity_->not_after()}});
}

scanner::ScannerSettings Process::scanner_settings() const {
  auto settings = settings_->config.scanner_settings();
  settings.own = own_endpoints(identity_.get(), bound_);
  return settings;
}

void Process::watch_own() {
  auto settings = scanner_settings();
  auto own = settings.own;
  scanner_->reconfigure(std::move(settings));
  if (auto job = service::watch_own_names(*parts_, settings_, std::move(own))) {
    store_->submit(std::move(job));
  }
}

void Process::watch_identity() {
  if (!tls_files_) return;
  identity_check_.expires_after(kIdentityCheck);
  identity_check_.async_wait([this](const boost::system::error_code& ec) {
    if (ec) return;
    if (tls_files_->changed()) exchange_identity();
    watch_identity();
  });
}

void Process::watch_heartbeat() {
  if (::sd_watchdog_enabled(0, &watchdog_us_) > 0) beat_round();
}

// The supervisor hears a heartbeat only after every event loop has run something since the last
// one.
void Process::beat_round() {
  if (beats_missing_->load() == 0) {
    ::sd_notify(0, "WATCHDOG=1");
    beats_missing_->store(static_cast<int>(server_->thread_count()) + 1);
    const auto beat = [missing = beats_missing_] { missing->fetch_sub(1); };
    server_->heartbeat(beat);
    driver_->heartbeat(beat);
  }
  watchdog_.expires_after(std::chrono::microseconds(watchdog_us_ / 3));
  watchdog_.async_wait([this](const boost::system::error_code& ec) {
    if (!ec) beat_round();
  });
}

void Process::stop(int status) {
  exit_status_ = status;
  main_.stop();
}

int Process::run() {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) signals_.add(number);
  if (auto started = start(); !started) {
    log_.write(runtime::LogLevel::error, "cannot_start", {{"why", started.error().detail}});
    return 1;
  }
  watch_signals();
  watch_identity();
  ::sd_notify(0, "READY=1");
  watch_heartbeat();
  main_.run();
  ::sd_notify(0, "STOPPING=1");
  driver_->stop();
  scanner_.reset();
  std::thread last_notices([this] { notifier_->stop(); });
  server_->drain(kDrain);
  last_notices.join();
  store_.reset();  // commits what is queued, and tells driver and server of it: they go after it
  log_.write(runtime::LogLevel::info, "stopped");
  ignore_late_signals();
  return exit_status_;
}

}  // namespace

void die_in_words() {
  std::set_terminate(die_with_a_line);
}

int serve(const std::string& config_file) {
  auto config = config_file.empty() ? Result<runtime::Config>(runtime::Config{})
                                    : runtime::load_config(config_file);
  if (!config) {
    runtime::Log(runtime::LogLevel::info)
        .write(runtime::LogLevel::error, "cannot_start", {{"why", config.error().detail}});
    return 1;
  }
  prepare_process();
  return Process(config_file, std::move(*config)).run();
}

}  // namespace certline::daemon
