// Sends a test message the way the daemon sends its own (notices/channels.hpp), once, and prints
// what went wrong.
#include "daemon/commands/notify_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <ostream>

#include "daemon/notices/channels.hpp"
#include "daemon/notices/incidents.hpp"

namespace certline::commands {
namespace {

constexpr int kUsage = 2;

std::string channel_names(const runtime::Config& config) {
  std::string names = quoted(runtime::kMailChannel);
  for (const runtime::ChannelConfig& channel : config.channels)
    names += ", " + quoted(channel.name);
  return names;
}

// What is wrong with the command itself; empty for nothing.
std::string usage_problem(const NotifyCommand& command) {
  const auto& channels = command.config.channels;
  if (command.channel == runtime::kMailChannel) {
    if (!Email::parse(command.to)) return "channel \"mail\" needs --to ADDRESS";
    if (command.config.smtp.server.empty()) return "channel \"mail\" needs smtp.server";
    return {};
  }
  const bool known =
      std::any_of(channels.begin(), channels.end(),
                  [&](const runtime::ChannelConfig& c) { return c.name == command.channel; });
  if (!known) {
    return fmt::format("no channel is called {}; there are {}", quoted(command.channel),
                       channel_names(command.config));
  }
  return command.to.empty() ? "" : "only channel \"mail\" takes --to ADDRESS";
}

Message test_message(UtcTime now) {
  Message message;
  message.id = runtime::uuid_text(runtime::Entropy::system().uuid());
  message.event = EventKind::test;
  message.severity = Severity::notice;
  message.created_utc = now;
  message.title = "certline: this channel works";
  message.text = "A test that somebody asked for by `certlined notify --test`. Nothing is wrong.";
  return message;
}

}  // namespace

int run_notify(const NotifyCommand& command, std::ostream& out, std::ostream& err) {
  if (const std::string problem = usage_problem(command); !problem.empty()) {
    err << "certlined: " << problem << '\n';
    return kUsage;
  }
  std::signal(SIGPIPE, SIG_IGN);
  const UtcTime now = std::time(nullptr);
  const Message message = test_message(now);
  const std::atomic<bool> never{false};
  const notices::Handover done =
      notices::hand_over(command.config, command.channel, command.to, message, now, never);
  if (done.outcome == notices::HandoverOutcome::delivered) {
    out << "channel " << command.channel << " took message " << message.id << '\n';
    return 0;
  }
  err << "certlined: channel " << command.channel << " did not take it: " << done.detail << '\n';
  return 1;
}

}  // namespace certline::commands
