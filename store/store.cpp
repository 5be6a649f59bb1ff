// Opening a store and its writer thread. The writer takes whatever has gathered, applies it in one
// transaction and commits it synced, so that many writes share one flush and none waits for a
// timer; nothing is answered before that commit returned.
#include "store/store.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <future>
#include <iterator>
#include <mutex>
#include <thread>

#include "store/environment.hpp"
#include "store/view_state.hpp"

namespace certline::store {
namespace {

using Jobs = Store::Jobs;

constexpr std::size_t kBatchJobs = 1024;
constexpr std::chrono::minutes kReaderCheckInterval{1};

// Held as long as the store is open for writing: one daemon per directory.
class DirectoryLock {
 public:
  DirectoryLock() = default;
  ~DirectoryLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

  Result<void> take(const std::string& directory) {
    const std::string path = directory + "/lock";
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd_ < 0) return Error{ErrorKind::unavailable, path + ": " + std::strerror(errno)};
    if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return {};
    if (errno == EWOULDBLOCK)
      return Error{ErrorKind::refused,
                   "store " + directory + " is in use by another daemon: stop that one first"};
    return Error{ErrorKind::unavailable, path + ": " + std::strerror(errno)};
  }

 private:
  int fd_ = -1;
};

class FunctionJob : public WriteJob {
 public:
  explicit FunctionJob(const std::function<void(WriteView&)>& apply) : apply_(apply) {}
  void apply(WriteView& view) override { apply_(view); }
  void done(CommitOutcome outcome) override { outcome_.set_value(outcome); }
  std::future<CommitOutcome> outcome() { return outcome_.get_future(); }

 private:
  const std::function<void(WriteView&)>& apply_;
  std::promise<CommitOutcome> outcome_;
};

}  // namespace

struct Store::Impl {
  // What became of a transaction over some jobs. `culprit`: the job whose apply() threw.
  struct Attempt {
    CommitOutcome outcome = CommitOutcome::failed;
    std::optional<std::size_t> culprit;
  };

  Impl(std::shared_ptr<Environment> opened, bool writes)
      : environment(std::move(opened)),
        readers(environment),
        newest(environment->last_transaction()) {
    measure();
    if (writes) writer = std::thread([this] { run(); });
  }
  ~Impl() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    wake.notify_one();
    if (writer.joinable()) writer.join();
  }

  void run();
  Jobs wait_for_jobs();
  void run_batch(Jobs& jobs);
  void run_singly(Jobs& jobs, const std::vector<bool>& failed);
  Attempt attempt(const Jobs& jobs, const std::vector<std::size_t>& chosen);
  CommitOutcome after_failed_commit(int code) const;
  CommitOutcome commit(Transaction& txn, bool wrote);
  bool apply_all(const Jobs& jobs, const std::vector<std::size_t>& chosen, Transaction& txn,
                 std::optional<std::size_t>& running);
  void measure() noexcept;

  std::unique_ptr<DirectoryLock> lock_file;  // given up last
  std::shared_ptr<Environment> environment;
  ReaderPool readers;
  ChangeCounters changes;
  std::atomic<std::uint64_t> newest;  // the last transaction that `changes` knows of
  std::atomic<double> used{0};
  mutable std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::unique_ptr<WriteJob>> queue;
  std::mutex after_mutex;
  std::vector<std::function<void()>> after;
  bool stopping = false;
  std::chrono::steady_clock::time_point readers_checked = std::chrono::steady_clock::now();
  std::thread writer;
};

void Store::Impl::run() {
  for (;;) {
    Jobs jobs = wait_for_jobs();
    if (jobs.empty()) return;
    run_batch(jobs);
    jobs.clear();
    const std::lock_guard lock(after_mutex);
    for (const auto& call : after) call();
  }
}

Jobs Store::Impl::wait_for_jobs() {
  Jobs jobs;
  std::unique_lock lock(mutex);
  wake.wait(lock, [this] { return stopping || !queue.empty(); });
  while (!queue.empty() && jobs.size() < kBatchJobs) {
    jobs.push_back(std::move(queue.front()));
    queue.pop_front();
  }
  return jobs;
}

// All jobs in one transaction. One that throws is left out and the others tried again; where the
// map is full each gets a transaction of its own, so that only those which don't fit are refused.
void Store::Impl::run_batch(Jobs& jobs) {
  std::vector<bool> failed(jobs.size(), false);
  for (;;) {
    std::vector<std::size_t> chosen;
    for (std::size_t i = 0; i < jobs.size(); ++i)
      if (!failed[i]) chosen.push_back(i);
    const Attempt result =
        chosen.empty() ? Attempt{CommitOutcome::committed, {}} : attempt(jobs, chosen);
    if (result.culprit) {
      failed[*result.culprit] = true;
      continue;
    }
    if (result.outcome == CommitOutcome::full) return run_singly(jobs, failed);
    for (std::size_t i = 0; i < jobs.size(); ++i)
      jobs[i]->done(failed[i] ? CommitOutcome::failed : result.outcome);
    return;
  }
}

void Store::Impl::run_singly(Jobs& jobs, const std::vector<bool>& failed) {
  for (std::size_t i = 0; i < jobs.size(); ++i)
    jobs[i]->done(failed[i] ? CommitOutcome::failed : attempt(jobs, {i}).outcome);
}

Store::Impl::Attempt Store::Impl::attempt(const Jobs& jobs,
                                          const std::vector<std::size_t>& chosen) {
  std::optional<std::size_t> running;
  const auto settle = [](ChangeCounters* counters) { counters->settle(); };
  const std::unique_ptr<ChangeCounters, decltype(settle)> settled(&changes, settle);
  try {
    Transaction txn(*environment, true);
    const bool wrote = apply_all(jobs, chosen, txn, running);
    running.reset();
    return {commit(txn, wrote), {}};
  } catch (const MapFull&) {
    return {CommitOutcome::full, {}};
  } catch (const EnvironmentPanic&) {
    return {CommitOutcome::panic, {}};
  } catch (...) {
    return {CommitOutcome::failed, running};
  }
}

bool Store::Impl::apply_all(const Jobs& jobs, const std::vector<std::size_t>& chosen,
                            Transaction& txn, std::optional<std::size_t>& running) {
  auto state = std::make_unique<ReadView::Impl>();
  state->environment = environment.get();
  state->txn = txn.raw();
  state->changes = &changes;
  WriteView view(std::move(state));
  for (const std::size_t index : chosen) {
    running = index;
    jobs[index]->apply(view);
    view.settle_certificates();
    if (view.impl_->full) throw MapFull("a write did not fit");
  }
  return view.impl_->wrote;
}

CommitOutcome Store::Impl::commit(Transaction& txn, bool wrote) {
  const std::uint64_t number = mdb_txn_id(txn.raw());
  // A transaction that this store didn't make: a backup was restored beside the running daemon.
  if (number != newest.load() + 1) changes.touch_everything();
  const int code = txn.commit();
  if (code != MDB_SUCCESS) return after_failed_commit(code);
  newest.store(wrote ? number : number - 1);  // LMDB numbers only what changed something
  measure();  // before the answers: who got one sees a figure that counts it
  return CommitOutcome::committed;
}

// After an error on the page that names the newest state LMDB refuses all further work. Then what
// this batch came to is decided by whoever opens the environment next.
CommitOutcome Store::Impl::after_failed_commit(int code) const {
  if (code == MDB_MAP_FULL || code == MDB_TXN_FULL) return CommitOutcome::full;
  try {
    Transaction probe(*environment, true);
    return CommitOutcome::failed;
  } catch (const EnvironmentPanic&) {
    return CommitOutcome::panic;
  } catch (const StoreFailure&) {
    return CommitOutcome::failed;
  }
}

void Store::Impl::measure() noexcept {
  try {
    used.store(environment->measure_used_fraction(), std::memory_order_relaxed);
    const auto now = std::chrono::steady_clock::now();
    if (now - readers_checked < kReaderCheckInterval) return;
    readers_checked = now;
    environment->clear_stale_readers();
  } catch (const std::exception&) {
    // The last figure stands; whatever is wrong fails the next write, which reports it.
  }
}

Result<std::unique_ptr<Store>> Store::open(const StoreSettings& settings) {
  std::unique_ptr<DirectoryLock> lock;
  if (!settings.read_only) {
    if (const auto made = make_directory(settings.path); !made) return made.error();
    lock = std::make_unique<DirectoryLock>();
    if (const auto taken = lock->take(settings.path); !taken) return taken.error();
  }
  const auto mode =
      settings.read_only ? Environment::Mode::read_only : Environment::Mode::read_write;
  auto environment = Environment::open(settings.path, settings.map_size, mode);
  if (!environment) return environment.error();
  auto impl = std::make_unique<Impl>(std::move(*environment), !settings.read_only);
  impl->lock_file = std::move(lock);
  return std::unique_ptr<Store>(new Store(std::move(impl)));
}

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Store::~Store() = default;

ReadView Store::read() const {
  return ReadView(impl_->readers.take());
}

std::optional<Stamp> Store::stamp(const ReadView& view, const Sha256& key_hash, AccountId account,
                                  std::string_view canonical, EndpointId endpoint) const {
  // In this order: a commit after the view began is either under way, which the stamp shows, or
  // already counted as the newest.
  const auto stamp = impl_->changes.stamp(key_hash, account, canonical, endpoint);
  if (!stamp || mdb_txn_id(view.impl_->txn) != impl_->newest.load()) return std::nullopt;
  return stamp;
}

bool Store::unchanged(const Stamp& stamp) const {
  return impl_->changes.unchanged(stamp) &&
         impl_->environment->last_transaction() == impl_->newest.load();
}

void Store::submit(std::unique_ptr<WriteJob> job) {
  Jobs jobs;
  jobs.push_back(std::move(job));
  submit(std::move(jobs));
}

void Store::submit(Jobs jobs) {
  if (!impl_->writer.joinable()) {  // opened read-only
    for (const auto& job : jobs) job->done(CommitOutcome::failed);
    return;
  }
  {
    const std::lock_guard lock(impl_->mutex);
    std::ranges::move(jobs, std::back_inserter(impl_->queue));
  }
  impl_->wake.notify_one();
}

void Store::after_each_commit(std::function<void()> call) {
  const std::lock_guard lock(impl_->after_mutex);
  impl_->after.push_back(std::move(call));
}

CommitOutcome Store::write(const std::function<void(WriteView&)>& apply) {
  auto job = std::make_unique<FunctionJob>(apply);
  auto outcome = job->outcome();
  submit(std::move(job));
  return outcome.get();
}

double Store::used_fraction() const {
  return impl_->used.load(std::memory_order_relaxed);
}

std::size_t Store::queued() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->queue.size();
}

}  // namespace certline::store
