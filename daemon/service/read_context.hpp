#pragma once
// What every reading handler is given besides its request. Lives as long as one request, on the
// thread that asks.

#include <optional>

#include "daemon/runtime/parts.hpp"
#include "daemon/runtime/settings.hpp"
#include "daemon/service/client_reports.hpp"
#include "daemon/service/remembered_expirations.hpp"

namespace certline::service {

struct ReadContext {
  const runtime::Parts& parts;
  const runtime::Settings& settings;
  const ClientReports& reports;
  const RememberedExpirations& remembered;
  UtcTime started_utc;   // when the daemon started
  UtcTime received_utc;  // when the request arrived, for `wait`; 0: it does not wait
  UtcTime now;

  // Handlers set these where they apply.
  std::optional<EndpointId> wait_for = {};         // ask again when this endpoint was scanned
  std::optional<RecentAnswers::Basis> basis = {};  // what the answer rests on, so it can be kept

  std::optional<store::ReadView> opened = {};
  // One moment of the store, taken when it is first needed.
  const store::ReadView& view() {
    if (!opened) opened.emplace(parts.store.read());
    return *opened;
  }
};

// The key of whoever asks, if it may be used; that its client came is noted. Errors (key_unknown):
// unknown here, revoked, blocked.
Result<KeyRecord> client_key(ReadContext& context, const Sha256& key_hash);

struct WatchedName {
  WatchRecord watch;
  EndpointRecord endpoint;
};
// Errors: key_unknown, not_registered.
Result<WatchedName> watched_name(ReadContext& context, const Domain& domain, const ApiKey& key);

}  // namespace certline::service
