// Watches of the same host, port and STARTTLS share an endpoint. The endpoint is removed with its
// last watch, and scanned while at least one of its watches does not rest. The handlers of names
// (names.cpp), owners.cpp and own_watches.cpp change watches through these.
#include "daemon/service/watches.hpp"

#include "daemon/notices/incidents.hpp"

namespace certline::service {

EndpointRecord attach_endpoint(WriteContext& context, const Domain& domain, Starttls starttls) {
  EndpointRecord endpoint;
  if (const auto id = context.view.endpoints.named(domain.host(), domain.port(), starttls)) {
    endpoint = context.view.endpoints.find(*id).value();
  } else {
    endpoint.id = context.view.endpoints.new_id();
    endpoint.host = domain.host();
    endpoint.port = domain.port();
    endpoint.starttls = starttls;
  }
  if (endpoint.watchers == endpoint.resting) {  // nobody had it scanned
    endpoint.next_scan_utc = context.now;
    context.due_changed = true;
  }
  ++endpoint.watchers;
  context.view.endpoints.put(endpoint);
  return endpoint;
}

UtcTime trial_end(const WriteContext& context, const AccountRecord& account) {
  const bool asked = context.settings.config.verification == runtime::Verification::email;
  return asked && account.verified_utc == 0 ? context.now + kTrial : 0;
}

void adopt(WriteContext& context, AccountId account, const std::string& canonical,
           const WatchRecord& watch) {
  notices::adopt_watch(context.view, context.settings.config, account, canonical, watch,
                       context.now);
}

void detach_endpoint(WriteContext& context, const WatchRecord& watch) {
  auto endpoint = context.view.endpoints.find(watch.endpoint);
  if (!endpoint) return;
  if (endpoint->watchers <= 1) {
    context.view.endpoints.remove(watch.endpoint);
    return;
  }
  --endpoint->watchers;
  if (watch.resting && endpoint->resting > 0) --endpoint->resting;
  context.view.endpoints.put(*endpoint);
}

void rest_watch(WriteContext& context, AccountId account, const std::string& canonical,
                WatchRecord watch) {
  if (watch.resting) return;
  watch.resting = true;
  if (auto endpoint = context.view.endpoints.find(watch.endpoint)) {
    ++endpoint->resting;
    context.view.endpoints.put(*endpoint);
  }
  context.view.watches.put(account, canonical, watch);
}

void wake_watch(WriteContext& context, AccountId account, const std::string& canonical,
                WatchRecord watch, UtcTime trial_until) {
  watch.trial_until_utc = trial_until;
  if (watch.resting) {
    watch.resting = false;
    if (auto endpoint = context.view.endpoints.find(watch.endpoint)) {
      if (endpoint->resting > 0) --endpoint->resting;
      endpoint->next_scan_utc = context.now;
      context.view.endpoints.put(*endpoint);
      context.due_changed = true;
    }
  }
  context.view.watches.put(account, canonical, watch);
  adopt(context, account, canonical, watch);
}

void give_back_name(store::WriteView& view, const Sha256& added_by) {
  auto key = view.keys.find(added_by);
  if (!key || key->names == 0) return;
  --key->names;
  view.keys.put(added_by, *key);
}

}  // namespace certline::service
