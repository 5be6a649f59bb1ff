#pragma once
// The store: typed tables over an engine (engine.hpp), and one writer thread with group commit.
// Reads run on the calling thread in a short transaction. Records are copied out; nothing else that
// is read from a view outlives it.

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "protocol/error.hpp"
#include "store/change_counters.hpp"
#include "store/views.hpp"

namespace certline::store {

// One write. apply() runs on the writer thread, possibly several times (when a batch is retried
// after a full map or another job's failure): it must start from its arguments each time. It may
// leave everything untouched. An exception out of it fails this job alone; it must not swallow
// those of the view. done() runs on the writer thread after the commit; keep it short, hand over to
// another thread.
class WriteJob {
 public:
  virtual ~WriteJob() = default;
  virtual void apply(WriteView& view) = 0;
  virtual void done(CommitOutcome outcome) = 0;
};

// A write made of two functions, each as its method above; `done` may be empty.
std::unique_ptr<WriteJob> make_job(std::function<void(WriteView&)> apply,
                                   std::function<void(CommitOutcome)> done);

class Store {
 public:
  // `writes` false: for readers only; every write fails. Who opens a store names the engine:
  // lmdb/open.hpp.
  Store(std::unique_ptr<Engine> engine, bool writes);
  ~Store();  // commits what is queued, joins the writer, closes

  ReadView read() const;  // throws StoreFailure when no transaction can begin

  // For who keeps an answer made from these rows of `view`: unchanged() says whether it still
  // holds, whoever wrote in between. Nothing where they are being written at this moment.
  std::optional<Stamp> stamp(const ReadView& view, const Sha256& key_hash, AccountId account,
                             std::string_view canonical, EndpointId endpoint) const;
  bool unchanged(const Stamp& stamp) const;

  using Jobs = std::vector<std::unique_ptr<WriteJob>>;
  void submit(std::unique_ptr<WriteJob> job);  // thread-safe, FIFO
  void submit(Jobs jobs);                      // these in a row
  // `call` is called on the writer thread after the last done() of each commit, from now on.
  void after_each_commit(std::function<void()> call);
  // Runs a function in a write and waits for its commit; for tests and tools, never on a server
  // thread.
  CommitOutcome write(const std::function<void(WriteView&)>& apply);

  // Of the map, free pages not counted; measured after each commit, costs one load.
  double used_fraction() const;
  std::size_t queued() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace certline::store
