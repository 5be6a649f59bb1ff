#pragma once
// A configuration and what follows from it. It never changes: a reload makes a new one, and work
// that has begun keeps the one it began with.

#include <cstdint>
#include <memory>

#include "daemon/runtime/config.hpp"

namespace certline::runtime {

struct Settings {
  Config config;
  std::shared_ptr<const scanner::AddressPolicy> policy;
  std::uint32_t generation = 0;  // another number for each
};
using SettingsPtr = std::shared_ptr<const Settings>;
SettingsPtr make_settings(Config config);  // thread-safe

}  // namespace certline::runtime
