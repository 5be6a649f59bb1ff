#pragma once
// One absolute deadline for all that a probe does on its sockets. When it passes, the socket
// attached at that moment is cancelled and shut down. The waiting code sees the end of the
// connection and asks passed(). For one thread.

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>

namespace certline::scanner {

class Deadline {
 public:
  using Socket = boost::asio::ip::tcp::socket;

  template <class Executor>
  Deadline(const Executor& executor, std::chrono::milliseconds within)
      : timer_(executor, within), state_(std::make_shared<State>()) {
    timer_.async_wait([state = state_](const boost::system::error_code& error) {
      if (error) return;
      state->passed = true;
      state->end();
    });
  }
  ~Deadline() { state_->socket = nullptr; }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  // The socket must outlive the attachment; nullptr detaches.
  void attach(Socket* socket) {
    state_->socket = socket;
    if (state_->passed) state_->end();
  }
  bool passed() const { return state_->passed; }
  std::chrono::steady_clock::time_point at() const { return timer_.expiry(); }

 private:
  struct State {
    bool passed = false;
    Socket* socket = nullptr;

    void end() const {
      if (socket == nullptr || !socket->is_open()) return;
      boost::system::error_code ignored;
      socket->cancel(ignored);
      // A wait that begins after this one returns at once. Not closed: the number of the descriptor
      // must not go to somebody else while a TLS object still holds it.
      socket->shutdown(Socket::shutdown_both, ignored);
    }
  };

  boost::asio::steady_timer timer_;
  std::shared_ptr<State> state_;
};

}  // namespace certline::scanner
