#pragma once
// A thread that runs one task at a time, for a caller that must not wait.

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace certline::notices {

class TaskThread {
 public:
  TaskThread();
  ~TaskThread();  // waits for what it is doing; what it was given since is not done
  TaskThread(const TaskThread&) = delete;
  TaskThread& operator=(const TaskThread&) = delete;

  void give(std::function<void()> task);  // not before the last one was done

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::function<void()> task_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace certline::notices
