// Numbers each configuration, so that an answer remembered under an old one is not given under a
// new one.
#include "daemon/runtime/settings.hpp"

#include <atomic>
#include <utility>

namespace certline::runtime {

SettingsPtr make_settings(Config config) {
  auto policy = config.scanner_settings().policy;
  static std::atomic<std::uint32_t> made{0};
  return std::make_shared<const Settings>(Settings{std::move(config), std::move(policy), ++made});
}

}  // namespace certline::runtime
