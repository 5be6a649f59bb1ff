// What needs no key, or tells about the key alone: a fresh key, the daemon's state, the help text,
// the address of a key.
#include "daemon/runtime/version.hpp"
#include "daemon/service/handlers.hpp"
#include "daemon/service/keys.hpp"
#include "pki/digest.hpp"

namespace certline::service {

Reply handle(ReadContext& context, const NewKey&) {
  return ReplyBody{KeyCreated{context.parts.entropy.api_key()}};
}

Reply handle(ReadContext&, const Ping&) {
  return ReplyBody{Pong{}};
}

Reply handle(ReadContext&, const Help& request) {
  return ReplyBody{HelpText{request.on}};
}

Reply handle(ReadContext& context, const GetStatus&) {
  const store::Counts counts = context.view().counts();
  const runtime::Gauges& gauges = context.parts.gauges;
  StatusReport status;
  status.version = runtime::kVersion;
  status.uptime_s = context.now - context.started_utc;
  status.accounts = counts.accounts;
  status.names = counts.watches;
  status.endpoints = counts.endpoints;
  status.certificates = counts.certificates;
  status.connections = gauges.connections.load(std::memory_order_relaxed);
  status.scans_in_flight = gauges.scans_in_flight.load(std::memory_order_relaxed);
  return ReplyBody{std::move(status)};
}

Reply handle(ReadContext& context, const GetUser& request) {
  const auto key = client_key(context, pki::sha256(request.key.text()));
  if (!key) return key.error();
  const AccountRecord account = load_account(context.view(), key->account);
  return ReplyBody{UserName{account.email.empty() ? account.claimed_email : account.email}};
}

}  // namespace certline::service
