#pragma once
// Work that other threads hand to a server thread: many pieces are queued, and then the thread is
// woken once. It may outlive its thread; what is queued then is dropped.

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace certline::server {

// Thread-safe. Work is run in order.
class Inbox : public std::enable_shared_from_this<Inbox> {
 public:
  using Work = std::function<void()>;

  explicit Inbox(boost::asio::io_context& io) : io_(&io) {}

  void queue(Work work);
  void wake();   // runs what is queued, soon
  void close();  // before `io` ends

 private:
  void run();

  std::mutex mutex_;
  boost::asio::io_context* io_;  // null once closed
  std::vector<Work> work_;
};

}  // namespace certline::server
