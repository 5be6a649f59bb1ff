// The writer thread queues the reply to each request of a commit and wakes each server thread once,
// because waking is the most expensive part of an answer. Each server thread has one inbox
// (server_thread.cpp).
#include "daemon/server/inbox.hpp"

#include <boost/asio/post.hpp>
#include <utility>

namespace certline::server {

void Inbox::queue(Work work) {
  const std::lock_guard lock(mutex_);
  if (io_ != nullptr) work_.push_back(std::move(work));
}

void Inbox::wake() {
  const std::lock_guard lock(mutex_);
  if (io_ == nullptr || work_.empty()) return;
  boost::asio::post(*io_, [self = shared_from_this()] { self->run(); });
}

void Inbox::close() {
  std::vector<Work> dropped;
  const std::lock_guard lock(mutex_);
  io_ = nullptr;
  dropped.swap(work_);
}

void Inbox::run() {
  std::vector<Work> work;
  {
    const std::lock_guard lock(mutex_);
    work.swap(work_);
  }
  for (const Work& each : work) each();
}

}  // namespace certline::server
