// For libraries that block. A thread each is little beside a connection, and needs no fairness.
#include "daemon/notices/courier.hpp"

#include <utility>

namespace certline::notices {

Courier::Courier() : thread_([this] { work(); }) {}

Courier::~Courier() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Courier::give(std::function<void()> errand) {
  {
    const std::lock_guard lock(mutex_);
    errand_ = std::move(errand);
  }
  wake_.notify_one();
}

void Courier::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return ending_ || errand_; });
    if (ending_) return;
    const auto errand = std::exchange(errand_, nullptr);
    lock.unlock();
    errand();
    lock.lock();
  }
}

}  // namespace certline::notices
