#pragma once
// Reads [[channel]] of the configuration file. It is not part of channel_config.hpp, so that only
// config.cpp includes the TOML library.

#include <toml++/toml.h>

#include <string>
#include <vector>

#include "daemon/runtime/channel_config.hpp"

namespace certline::runtime {

// Appends the channels. Returns what is wrong with them; empty if nothing is.
std::string read_channels(std::vector<ChannelConfig>& channels, const toml::node& node);

}  // namespace certline::runtime
