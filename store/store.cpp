// A store's writer thread and its count of changes. The writer takes all jobs that have gathered,
// applies them in one transaction and commits it synced. So many writes share one flush, and no
// write waits for a timer. A job is answered only after its commit returned.
#include "store/store.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <iterator>
#include <mutex>
#include <thread>

namespace certline::store {
namespace {

using Jobs = Store::Jobs;

constexpr std::size_t kBatchJobs = 1024;

class FunctionJob final : public WriteJob {
 public:
  FunctionJob(std::function<void(WriteView&)> apply, std::function<void(CommitOutcome)> done)
      : apply_(std::move(apply)), done_(std::move(done)) {}
  void apply(WriteView& view) override { apply_(view); }
  void done(CommitOutcome outcome) override {
    if (done_) done_(outcome);
  }

 private:
  const std::function<void(WriteView&)> apply_;
  const std::function<void(CommitOutcome)> done_;
};

}  // namespace

std::unique_ptr<WriteJob> make_job(std::function<void(WriteView&)> apply,
                                   std::function<void(CommitOutcome)> done) {
  return std::make_unique<FunctionJob>(std::move(apply), std::move(done));
}

struct Store::Impl {
  // What became of a transaction over some jobs. `culprit`: the job whose apply() threw.
  struct Attempt {
    CommitOutcome outcome = CommitOutcome::failed;
    std::optional<std::size_t> culprit;
  };

  Impl(std::unique_ptr<Engine> of, bool writes) : engine(std::move(of)), newest(engine->newest()) {
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
  CommitOutcome commit(Transaction& transaction);
  void apply_all(const Jobs& jobs, const std::vector<std::size_t>& chosen, Transaction& transaction,
                 std::optional<std::size_t>& running);
  void measure() noexcept;

  std::unique_ptr<Engine> engine;
  ChangeCounters changes;
  std::atomic<std::uint64_t> newest;  // the last commit that `changes` knows of
  std::atomic<double> used{0};
  mutable std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::unique_ptr<WriteJob>> queue;
  std::mutex after_mutex;
  std::vector<std::function<void()>> after;
  bool stopping = false;
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
    const auto transaction = engine->write();
    apply_all(jobs, chosen, *transaction, running);
    running.reset();
    return {commit(*transaction), {}};
  } catch (const StoreFull&) {
    return {CommitOutcome::full, {}};
  } catch (const StorePanic&) {
    return {CommitOutcome::panic, {}};
  } catch (...) {
    return {CommitOutcome::failed, running};
  }
}

void Store::Impl::apply_all(const Jobs& jobs, const std::vector<std::size_t>& chosen,
                            Transaction& transaction, std::optional<std::size_t>& running) {
  Writing writing{transaction, changes};
  WriteView view(writing);
  Rows rows(transaction, &writing);
  for (const std::size_t index : chosen) {
    running = index;
    jobs[index]->apply(view);
    writing.references.settle(rows);
    if (writing.full) throw StoreFull("a write did not fit");
  }
}

CommitOutcome Store::Impl::commit(Transaction& transaction) {
  // On a state that this store didn't make: a backup was restored beside the running daemon.
  if (transaction.number() != newest.load()) changes.touch_everything();
  const CommitOutcome outcome = transaction.commit();
  if (outcome != CommitOutcome::committed) return outcome;
  newest.store(transaction.number());
  measure();  // before the answers: who got one sees a figure that counts it
  return outcome;
}

void Store::Impl::measure() noexcept {
  try {
    used.store(engine->measure_used_fraction(), std::memory_order_relaxed);
  } catch (const std::exception&) {
    // The last figure stands; whatever is wrong fails the next write, which reports it.
  }
}

Store::Store(std::unique_ptr<Engine> engine, bool writes)
    : impl_(std::make_unique<Impl>(std::move(engine), writes)) {}

Store::~Store() = default;

ReadView Store::read() const {
  return ReadView(impl_->engine->read());
}

std::optional<Stamp> Store::stamp(const ReadView& view, const Sha256& key_hash, AccountId account,
                                  std::string_view canonical, EndpointId endpoint) const {
  // In this order: a commit after the view began is either under way, which the stamp shows, or
  // already counted as the newest.
  const auto stamp = impl_->changes.stamp(key_hash, account, canonical, endpoint);
  if (!stamp || view.number() != impl_->newest.load()) return std::nullopt;
  return stamp;
}

bool Store::unchanged(const Stamp& stamp) const {
  return impl_->changes.unchanged(stamp) && impl_->engine->newest() == impl_->newest.load();
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
  std::promise<CommitOutcome> outcome;
  submit(make_job(apply, [&outcome](CommitOutcome of) { outcome.set_value(of); }));
  return outcome.get_future().get();
}

double Store::used_fraction() const {
  return impl_->used.load(std::memory_order_relaxed);
}

std::size_t Store::queued() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->queue.size();
}

}  // namespace certline::store
