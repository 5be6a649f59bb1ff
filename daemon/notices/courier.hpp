#pragma once
// A thread that does one thing at a time for someone who must not wait.

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace certline::notices {

class Courier {
 public:
  Courier();
  ~Courier();  // waits for what it is doing; what it was given since is not done
  Courier(const Courier&) = delete;
  Courier& operator=(const Courier&) = delete;

  void give(std::function<void()> errand);  // not before the last one was done

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::function<void()> errand_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace certline::notices
