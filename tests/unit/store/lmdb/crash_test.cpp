// kill -9 in the middle of many writes: all that was acknowledged is there, the next start works,
// and the slots of dead readers are free again. Each trial runs in a process of its own.
#include <lmdb.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>

#include "store/lmdb/environment.hpp"
#include "tests/unit/store/samples.hpp"

using namespace certline;
using namespace certline::store;
using namespace certline::store::test;
using namespace certline::store::lmdb;

namespace {

class Pipe {
 public:
  Pipe() {
    if (::pipe(ends_.data()) != 0) throw std::runtime_error("no pipe");
  }
  ~Pipe() {
    close_reader();
    close_writer();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void close_reader() { close(0); }
  void close_writer() { close(1); }
  void put(std::uint32_t n) const {
    if (::write(ends_[1], &n, sizeof n) != sizeof n) ::_exit(3);
  }
  std::optional<std::uint32_t> get() const {
    std::uint32_t n = 0;
    if (::read(ends_[0], &n, sizeof n) != sizeof n) return std::nullopt;
    return n;
  }

 private:
  void close(std::size_t end) {
    if (ends_[end] >= 0) ::close(ends_[end]);
    ends_[end] = -1;
  }
  std::array<int, 2> ends_{-1, -1};
};

class StormJob : public WriteJob {
 public:
  StormJob(std::uint32_t n, const Pipe& pipe) : n_(n), pipe_(pipe) {}
  void apply(WriteView& view) override {
    view.keys.put(hash(n_), plain_key(1, n_));
    view.endpoints.put(sample_endpoint(n_));
  }
  void done(CommitOutcome outcome) override {
    if (outcome == CommitOutcome::committed) pipe_.put(n_);
  }

 private:
  std::uint32_t n_;
  const Pipe& pipe_;
};

[[noreturn]] void storm(const std::string& path, std::uint32_t first, const Pipe& pipe) {
  const auto store = lmdb::open(settings(path));
  if (!store) ::_exit(2);
  for (std::uint32_t n = first;; ++n) {
    (*store)->submit(std::make_unique<StormJob>(n, pipe));
    while ((*store)->queued() > 64) ::sched_yield();
  }
}

void kill_and_reap(pid_t child) {
  ::kill(child, SIGKILL);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
}

}  // namespace

TEST_CASE("kill -9 during a storm, ten times: every acknowledged write is there") {
  const Scratch scratch;
  std::vector<std::uint32_t> acknowledged;
  for (std::uint32_t round = 0; round < 10; ++round) {
    Pipe pipe;
    const std::uint32_t first = 1 + round * 1'000'000;
    const pid_t child = ::fork();
    if (child == 0) {
      pipe.close_reader();
      storm(scratch / "s", first, pipe);
    }
    pipe.close_writer();
    for (std::uint32_t i = 0; i < 40 + round * 23; ++i) {
      const auto n = pipe.get();
      REQUIRE(n);
      acknowledged.push_back(*n);
    }
    kill_and_reap(child);
    while (const auto n = pipe.get()) acknowledged.push_back(*n);
    const auto store = lmdb::open(settings(scratch / "s")).value();
    const auto view = store->read();
    for (const std::uint32_t n : acknowledged) {
      REQUIRE(view.keys.find(hash(n)));
      REQUIRE(view.endpoints.find(n));
    }
    CHECK(view.counts().keys == view.counts().endpoints);
    CHECK(view.endpoints.due_count(1'800'000'000) == view.counts().endpoints);
  }
  CHECK(acknowledged.size() >= 1000);
}

TEST_CASE("a reader that was killed doesn't pin pages for ever") {
  const Scratch scratch;
  lmdb::open(settings(scratch / "s")).value();
  auto reading = settings(scratch / "s");
  reading.read_only = true;
  const auto hold = [&](Pipe& pipe) {
    const pid_t child = ::fork();
    if (child == 0) {
      const auto store = lmdb::open(reading);
      if (!store) ::_exit(2);
      const auto view = (*store)->read();
      pipe.put(1);
      for (;;) ::pause();
    }
    pipe.close_writer();
    REQUIRE(pipe.get());
    return child;
  };
  Pipe first, second;
  const pid_t keeper = hold(first);  // as long as one is alive, the lock file isn't begun anew
  const pid_t victim = hold(second);
  kill_and_reap(victim);
  {
    const auto store = lmdb::open(settings(scratch / "s")).value();
    const auto environment =
        Environment::open(scratch / "s", 0, Environment::Mode::read_only).value();
    std::string readers;
    mdb_reader_list(
        environment->raw(),
        [](const char* line, void* out) {
          *static_cast<std::string*>(out) += line;
          return 0;
        },
        &readers);
    CHECK(readers.find(std::to_string(keeper)) != std::string::npos);
    CHECK(readers.find(std::to_string(victim)) == std::string::npos);
  }
  kill_and_reap(keeper);
}
