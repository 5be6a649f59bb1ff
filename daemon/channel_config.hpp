#pragma once
// [[channel]] of the configuration file.

#include <toml++/toml.h>

#include <string>
#include <vector>

#include "daemon/config.hpp"

namespace certline::daemon {

// Appends the rows; says what is wrong, empty for nothing.
std::string read_channels(std::vector<ChannelConfig>& channels, const toml::node& node);

}  // namespace certline::daemon
