// What each kind of channel takes, and what its answers mean for the next attempt. Secrets are read
// anew for each message, so changing the file is enough. No log line shows them. Next:
// mail_text.cpp or chat_text.cpp, then connectors/ or run_program.cpp.
#include "daemon/notices/channels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>

#include "connectors/outbound_http.hpp"
#include "connectors/smtp.hpp"
#include "daemon/notices/chat_text.hpp"
#include "daemon/notices/incidents.hpp"
#include "daemon/notices/mail_text.hpp"
#include "daemon/notices/message_json.hpp"
#include "daemon/notices/run_program.hpp"
#include "daemon/runtime/version.hpp"
#include "pki/digest.hpp"

namespace certline::notices {
namespace {

constexpr std::size_t kSecretBytes = 4096;
constexpr std::size_t kHostsInEnvironment = 100;
constexpr int kGone = 410;  // RFC 9110 15.5.11: for good

Result<std::string> read_secret(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string secret(kSecretBytes + 1, '\0');
  in.read(secret.data(), static_cast<std::streamsize>(secret.size()));
  secret.resize(static_cast<std::size_t>(in.gcount()));
  while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
  if (secret.empty() || secret.size() > kSecretBytes) {
    return Error{ErrorKind::unavailable,
                 fmt::format("cannot read a secret of 1 to {} bytes from {}", kSecretBytes, file)};
  }
  return secret;
}

Handover after(const Error& error, const std::atomic<bool>& cancelled) {
  if (cancelled) return {HandoverOutcome::stopped, "stopped"};
  switch (error.kind) {
    case ErrorKind::refused:
    case ErrorKind::invalid_value:
      return {HandoverOutcome::refused, error.detail};
    case ErrorKind::too_long:  // it has heard the message, but not said that it took it
    case ErrorKind::too_many:
      return {HandoverOutcome::put_back, error.detail};
    default:
      return {HandoverOutcome::nobody, error.detail};
  }
}

Handover by_mail(const runtime::Config& config, const std::string& to, const Message& message,
                 UtcTime now, const std::atomic<bool>& cancelled) {
  if (config.smtp.server.empty()) return {HandoverOutcome::refused, "smtp.server is not set"};
  connectors::SmtpServer server;
  server.host_port = config.smtp.server;
  server.starttls = connectors::StartTls(config.smtp.tls);
  server.tls_at_once = config.smtp.tls_at_once;
  server.trust_file = config.smtp.trust_file;
  if (!config.smtp.user.empty()) {
    auto password = read_secret(config.smtp.password_file);
    if (!password) return after(password.error(), cancelled);
    server.user = config.smtp.user;
    server.password = std::move(*password);
  }
  MailText text = render_mail(message, now);
  const connectors::Mail mail{config.smtp.from,        to,
                              std::move(text.subject), message.id,
                              message.created_utc,     std::move(text.text),
                              std::move(text.html),    message.unsubscribe};
  const auto sent = connectors::send_mail(server, mail, cancelled);
  return sent ? Handover{} : after(sent.error(), cancelled);
}

connectors::HttpPost webhook_post(const runtime::ChannelConfig& channel, const Message& message,
                                  UtcTime now) {
  connectors::HttpPost post;
  post.url = channel.url;
  post.deadline = std::chrono::seconds(channel.timeout_s);
  post.trust_file = channel.trust_file;
  std::string type = "application/json";
  switch (channel.form) {
    case runtime::WebhookForm::json:
      post.body = webhook_json(message, now);
      break;
    case runtime::WebhookForm::slack:
      post.body = slack_json(message, now);
      break;
    case runtime::WebhookForm::ntfy:
      NtfyText text = ntfy_text(message, now);
      post.body = std::move(text.body);
      post.headers = std::move(text.headers);
      type = "text/plain; charset=utf-8";
  }
  post.headers.emplace_back("Content-Type", type);
  post.headers.emplace_back("User-Agent", fmt::format("certline/{}", runtime::kVersion));
  post.headers.emplace_back("Certline-Event", event_name(message.event));
  post.headers.emplace_back("Certline-Delivery", message.id);
  return post;
}

// Of a status that isn't 2xx. Some say that the receiver takes nothing at all right now.
HandoverOutcome outcome_of(int status) {
  constexpr std::array<int, 4> kAway{429, 502, 503, 504};
  if (status == kGone) return HandoverOutcome::refused;
  return std::count(kAway.begin(), kAway.end(), status) > 0 ? HandoverOutcome::nobody
                                                            : HandoverOutcome::put_back;
}

Handover to_webhook(const runtime::ChannelConfig& channel, const Message& message, UtcTime now,
                    const std::atomic<bool>& cancelled) {
  connectors::HttpPost post = webhook_post(channel, message, now);
  if (!channel.secret_file.empty()) {
    const auto secret = read_secret(channel.secret_file);
    if (!secret) return after(secret.error(), cancelled);
    post.headers.emplace_back("Certline-Signature", webhook_signature(*secret, now, post.body));
  }
  const auto answer = connectors::post(post, cancelled);
  if (!answer) return after(answer.error(), cancelled);
  if (answer->status >= 200 && answer->status < 300) return {};
  std::string said = fmt::format("it answers {}", answer->status);
  if (answer->status >= 300 && answer->status < 400) said += ", which is not followed";
  if (!answer->body.empty()) said += ": " + quoted(answer->body, 200);
  return {outcome_of(answer->status), std::move(said)};
}

Handover to_program(const runtime::ChannelConfig& channel, const Message& message, UtcTime now,
                    const std::atomic<bool>& cancelled) {
  ProgramRun run;
  run.command = channel.command;
  run.environment = program_environment(message, now);
  run.input = webhook_json(message, now) + "\n";
  run.user = channel.user;
  run.deadline = std::chrono::seconds(channel.timeout_s);
  const auto end = run_program(run, cancelled);
  if (!end) {
    // Who may run it is for the configuration to change, and then it goes on.
    if (cancelled) return {HandoverOutcome::stopped, "stopped"};
    return {HandoverOutcome::nobody, end.error().detail};
  }
  if (!end->late && end->status == 0) return {};
  std::string said = end->late ? fmt::format("killed after {} s", channel.timeout_s)
                               : fmt::format("exit status {}", end->status);
  if (!end->output.empty()) said += ": " + quoted(end->output, kProgramOutputBytes);
  return {HandoverOutcome::put_back, std::move(said)};
}

}  // namespace

std::string webhook_signature(std::string_view secret, UtcTime now, std::string_view body) {
  const std::string signed_text = fmt::format("{}.{}", now, body);
  return fmt::format("t={},v1={}", now, hex(pki::hmac_sha256(secret, signed_text)));
}

std::vector<std::string> program_environment(const Message& message, UtcTime now) {
  std::string hosts;
  for (std::size_t i = 0; i < std::min(message.hosts.size(), kHostsInEnvironment); ++i) {
    hosts += (hosts.empty() ? "" : " ") + clean_text(message.hosts[i].name, false);
  }
  const auto line = [](std::string_view text) { return clean_text(text, false); };
  std::vector<std::string> out{
      fmt::format("CERTLINE_EVENT={}", event_name(message.event)),
      fmt::format("CERTLINE_ID={}", line(message.id)),
      fmt::format("CERTLINE_SEVERITY={}", severity_name(message.severity)),
      fmt::format("CERTLINE_TITLE={}", line(message.title)),
      fmt::format("CERTLINE_TEXT={}", clean_text(message.text, true)),
      fmt::format("CERTLINE_ACCOUNT={}", message.account),
      fmt::format("CERTLINE_HOSTS={}", hosts),
      fmt::format("CERTLINE_HOST_COUNT={}", message.hosts.size() + message.more_hosts),
      fmt::format("CERTLINE_CREATED={}", message.created_utc),
      fmt::format("CERTLINE_AGE={}", age_s(message, now)),
  };
  if (message.event == EventKind::recovered) {
    out.push_back(fmt::format("CERTLINE_ABOUT={}", event_name(message.about)));
  }
  if (!message.certificate_sha256.empty()) {
    out.push_back("CERTLINE_SHA256=" + line(message.certificate_sha256));
    out.push_back("CERTLINE_SUBJECT=" + line(message.subject));
    out.push_back("CERTLINE_ISSUER=" + line(message.issuer));
    out.push_back(fmt::format("CERTLINE_NOT_AFTER={}", message.not_after_utc));
  }
  return out;
}

Handover hand_over(const runtime::Config& config, const std::string& channel, const std::string& to,
                   const Message& message, UtcTime now, const std::atomic<bool>& cancelled) {
  if (channel == runtime::kMailChannel) return by_mail(config, to, message, now, cancelled);
  const auto found =
      std::find_if(config.channels.begin(), config.channels.end(),
                   [&](const runtime::ChannelConfig& c) { return c.name == channel; });
  if (found == config.channels.end()) {
    return {HandoverOutcome::refused, "no channel is called " + quoted(channel)};
  }
  switch (found->kind) {
    case runtime::ChannelKind::email:
      return by_mail(config, found->to, message, now, cancelled);
    case runtime::ChannelKind::webhook:
      return to_webhook(*found, message, now, cancelled);
    case runtime::ChannelKind::program:
      return to_program(*found, message, now, cancelled);
  }
  return {HandoverOutcome::refused, "no such kind of channel"};
}

}  // namespace certline::notices
