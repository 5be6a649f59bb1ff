#pragma once
// Work that other threads hand to a server thread. Many pieces are queued, then the thread is woken
// once. An inbox may outlive its thread; it then drops what is queued.

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
