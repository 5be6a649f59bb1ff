#pragma once
// A channel: a place that messages go to besides an account's own address. [[channel]] in the
// configuration file; read_channels.hpp reads it, notices/channels.hpp sends to it.

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/error.hpp"

namespace certline::runtime {

inline constexpr const char* kMailChannel = "mail";  // an account's own address

enum class ChannelKind : std::uint8_t { email, webhook, program };
enum class WebhookForm : std::uint8_t { json, slack, ntfy };
struct ChannelConfig {
  std::string name;  // [a-z0-9-]{1,32}; "mail" stands for the accounts' addresses
  ChannelKind kind = ChannelKind::webhook;
  std::string account;           // an e-mail address; empty: whatever happens, once
  std::string to;                // email: the address
  std::string url, secret_file;  // webhook: http or https; without a secret there is no signature
  std::string trust_file;        // webhook: PEM; empty: the system's
  WebhookForm form = WebhookForm::json;
  std::vector<std::string> command;  // program: absolute path and arguments
  std::string user;                  // program: who runs it; empty: who runs the daemon
  std::uint32_t timeout_s = 10;
  bool operator==(const ChannelConfig&) const = default;
};

// Errors (invalid_value): what is wrong with the channel, without file and line.
Result<ChannelConfig> check_channel(ChannelConfig channel);

}  // namespace certline::runtime
