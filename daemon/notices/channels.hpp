#pragma once
// One attempt to hand a message over: by mail, to a webhook or to a program. It blocks.
// Thread-safe.

#include <atomic>
#include <string>

#include "daemon/runtime/config.hpp"
#include "inventory/message.hpp"

namespace certline::notices {

enum class HandoverOutcome : std::uint8_t {
  delivered,
  put_back,  // this message was not taken: try it later
  nobody,    // nobody was there to take any message: let the channel rest
  refused,   // it will never be taken
  stopped,   // the daemon ends: as if it had not been tried
};
struct Handover {
  HandoverOutcome outcome = HandoverOutcome::delivered;
  std::string detail;  // one line for the log, without secrets; empty where it was delivered
};

// By the channel of that name in `config`, or kMailChannel (runtime/channel_config.hpp) to the
// address `to`.
Handover hand_over(const runtime::Config& config, const std::string& channel, const std::string& to,
                   const Message& message, UtcTime now, const std::atomic<bool>& cancelled);

// The value of Certline-Signature: HMAC-SHA256 over "UNIX.BODY".
std::string webhook_signature(std::string_view secret, UtcTime now, std::string_view body);

// What a program finds in its environment, docs/notifications.md lists it.
std::vector<std::string> program_environment(const Message& message, UtcTime now);

}  // namespace certline::notices
