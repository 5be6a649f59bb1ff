#pragma once
// Has messages made and delivered. It looks at due alarms, sends what waits, and watches whether
// scans still go on. It has one thread for the store, and one for each channel that has something
// to send, so a slow channel delays no other.

#include <functional>
#include <memory>
#include <string>

#include "daemon/notices/channels.hpp"
#include "daemon/runtime/parts.hpp"
#include "daemon/runtime/settings.hpp"

namespace certline::notices {

struct NotifierParts {
  const runtime::Parts& parts;
  // Tests put something else here. Called on the threads of the channels.
  std::function<Handover(const runtime::Config&, const std::string& channel, const std::string& to,
                         const Message&, UtcTime now, const std::atomic<bool>& cancelled)>
      hand_over = notices::hand_over;
};

// A delivery is removed from the store once its channel took it. What a crash or a full store
// keeps from being removed is sent again, under the same id.
class Notifier {
 public:
  Notifier(NotifierParts parts, runtime::SettingsPtr settings);
  ~Notifier();  // stop()

  void start();
  // What is under way may end within a second, then it is given up; nothing is lost. The store has
  // to be there still.
  void stop();
  void kick();  // any thread, cheap: there may be an alarm that is due
  void reload(runtime::SettingsPtr settings);  // any thread; what is under way goes on as it was

  // For tests, instead of start(): everything that is due at `now`, until nothing is under way.
  void run_due(UtcTime now);

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace certline::notices
