// The writing half of the service: one job per kind of request. A job decides inside the write
// transaction, so that quota, ownership and idempotence hold whatever runs beside it.
#include <algorithm>
#include <stdexcept>
#include <type_traits>

#include "daemon/service.hpp"
#include "inventory/rollup.hpp"
#include "pki/digest.hpp"

namespace certline::daemon {
namespace {

using store::CommitOutcome;
using store::WriteView;

// So much of the map is kept for changes to what is there: a tenth of it, and in a small one room
// for the pages that two writes copy, since those of the last one are not free yet.
constexpr std::uint64_t kReservedShare = 10;
constexpr std::uint64_t kReservedBytes = 256 * 1024;
// And so much for each endpoint that no scan has found an address of: what the first one brings.
constexpr std::uint64_t kFirstScanBytes = 4096;

// What every handler gets besides its request.
struct Scene {
  WriteView& view;
  const Service& service;
  const Settings& settings;
  const Caller& caller;
  UtcTime now;
  bool due_changed = false;
};

struct Owner {
  Sha256 key_hash;
  KeyRecord key;
};

bool full_for_new_names(const Scene& scene) {
  // Looked at within the write: the names before it in the same commit count.
  const store::Counts counts = scene.view.counts();
  const std::uint64_t unscanned = counts.endpoints - std::min(counts.endpoints, counts.addresses);
  const std::uint64_t kept = std::max(scene.view.map_bytes() / kReservedShare, kReservedBytes);
  if (scene.view.free_bytes() >= kept + unscanned * kFirstScanBytes) return false;
  const ServiceParts& parts = scene.service.parts();
  const auto used = static_cast<std::int64_t>(parts.store.used_fraction() * 100);
  parts.log.write_limited(LogLevel::warning, "store_full",
                          {{"used_percent", used}, {"do", "raise store.map_size"}});
  return true;
}

KeyRecord create_key(Scene& scene, const Sha256& hash, AccountId account) {
  KeyRecord key;
  key.account = account;
  key.created_utc = scene.now;
  key.digest = hash;
  scene.view.put_key(hash, key);
  return key;
}

AccountId create_account(Scene& scene, const std::string& email) {
  AccountRecord account;
  account.id = scene.view.new_account_id();
  account.email = email;
  account.created_utc = scene.now;
  scene.view.put_account(account);
  return account.id;
}

Result<Owner> owner_for_add(Scene& scene, const ApiKey& api_key) {
  const Sha256 hash = pki::sha256(api_key.text());
  if (auto key = find_key(scene.view, hash)) return Owner{hash, *key};
  switch (scene.settings.config.registration) {
    case Registration::open:
      if (full_for_new_names(scene)) return scene.service.commit_error(CommitOutcome::full);
      return Owner{hash, create_key(scene, hash, create_account(scene, ""))};
    case Registration::claim:
      return Error{ErrorKind::key_unknown, "claim this key first: command claim email E apikey K"};
    case Registration::closed:
      break;
  }
  return Error{ErrorKind::registration_closed,
               "new keys are not accepted here; ask the operator of this server for one"};
}

Result<Owner> owner_of(Scene& scene, const ApiKey& api_key) {
  const Sha256 hash = pki::sha256(api_key.text());
  if (auto key = find_key(scene.view, hash)) return Owner{hash, *key};
  return unknown_key();
}

EndpointRecord attach_endpoint(Scene& scene, const Domain& domain, Starttls starttls) {
  EndpointRecord endpoint;
  if (const auto id = scene.view.endpoint_id(domain.host(), domain.port(), starttls)) {
    endpoint = scene.view.endpoint(*id).value();
  } else {
    endpoint.id = scene.view.new_endpoint_id();
    endpoint.host = domain.host();
    endpoint.port = domain.port();
    endpoint.starttls = starttls;
    endpoint.next_scan_utc = scene.now;
    scene.due_changed = true;
  }
  ++endpoint.watchers;
  scene.view.put_endpoint(endpoint);
  return endpoint;
}

void detach_endpoint(Scene& scene, EndpointId id) {
  auto endpoint = scene.view.endpoint(id);
  if (!endpoint) return;
  if (endpoint->watchers <= 1) {
    scene.view.remove_endpoint(id);
    return;
  }
  --endpoint->watchers;
  scene.view.put_endpoint(*endpoint);
}

// Opens the wait for an announced leaf, unless every address serves it already.
void expect_leaf(Scene& scene, WatchRecord& watch, EndpointRecord& endpoint, const Sha256& leaf) {
  if (watch.expected == leaf && watch.expected_met_utc != 0) return;
  watch.expected = leaf;
  watch.expected_utc = scene.now;
  const auto addresses = scene.view.addresses(endpoint.id);
  watch.expected_met_utc = serves_everywhere(addresses, leaf) ? scene.now : 0;
  if (watch.expected_met_utc != 0) return;
  endpoint.expectation_open = true;
  endpoint.expectation_step = 0;
  endpoint.next_scan_utc = scene.now;
  scene.due_changed = true;
  scene.view.put_endpoint(endpoint);
}

Result<WatchRecord> new_watch(Scene& scene, const AddDomain& request, Owner& owner) {
  const std::uint32_t most = scene.settings.config.accounts.names_per_key;
  if (owner.key.names >= most) {
    return Error{ErrorKind::too_many, "this key watches " + std::to_string(most) +
                                          " names, as many as limits.names_per_key allows; remove "
                                          "some or add with another key"};
  }
  if (full_for_new_names(scene)) return scene.service.commit_error(CommitOutcome::full);
  WatchRecord watch;
  watch.id = scene.service.parts().entropy.uuid();
  watch.added_by = owner.key_hash;
  watch.created_utc = scene.now;
  const Starttls fallback = default_starttls(request.domain.port());
  watch.endpoint = attach_endpoint(scene, request.domain, request.starttls.value_or(fallback)).id;
  ++owner.key.names;
  scene.view.put_key(owner.key_hash, owner.key);
  return watch;
}

Reply handle(Scene& scene, const AddDomain& request) {
  const Domain& domain = request.domain;
  if (domain.ip()) {
    if (auto refusal = scene.settings.policy->refusal(*domain.ip())) {
      return Error{ErrorKind::refused, *refusal};
    }
  }
  auto owner = owner_for_add(scene, request.key);
  if (!owner) return owner.error();
  const std::string canonical = domain.canonical();
  auto watch = scene.view.watch(owner->key.account, canonical);
  if (!watch) {
    auto created = new_watch(scene, request, *owner);
    if (!created) return created.error();
    watch = *created;
  }
  auto endpoint = scene.view.endpoint(watch->endpoint).value();
  if (request.starttls && *request.starttls != endpoint.starttls) {
    detach_endpoint(scene, endpoint.id);
    endpoint = attach_endpoint(scene, domain, *request.starttls);
    watch->endpoint = endpoint.id;
  }
  if (request.expected) expect_leaf(scene, *watch, endpoint, *request.expected);
  scene.view.put_watch(owner->key.account, canonical, *watch);
  return ReplyBody{
      Added{uuid_text(watch->id), hex(pki::md5("DOMAIN:" + domain.input())), domain.input()}};
}

// The names of an account that had no e-mail move to the e-mail's account. A name that both watch
// stays as the e-mail's account has it.
void merge_accounts(Scene& scene, AccountId from, AccountId into) {
  constexpr std::size_t kChunk = 100;
  for (auto chunk = scene.view.watches(from, "", kChunk); !chunk.empty();
       chunk = scene.view.watches(from, "", kChunk)) {
    for (const auto& [canonical, watch] : chunk) {
      scene.view.remove_watch(from, canonical);
      if (!scene.view.watch(into, canonical)) {
        scene.view.put_watch(into, canonical, watch);
        continue;
      }
      detach_endpoint(scene, watch.endpoint);
      if (auto key = scene.view.key(watch.added_by); key && key->names > 0) {
        --key->names;
        scene.view.put_key(watch.added_by, *key);
      }
    }
  }
  scene.view.remove_account(from);
}

Reply handle(Scene& scene, const ClaimKey& request) {
  if (!request.key) return Error{ErrorKind::malformed, "apikey is missing"};
  const Sha256 hash = pki::sha256(request.key->text());
  auto key = find_key(scene.view, hash);
  if (!key && scene.settings.config.registration == Registration::closed) {
    return Error{ErrorKind::registration_closed,
                 "new keys are not accepted here; ask the operator of this server for one"};
  }
  const auto claimed = scene.view.account_by_email(request.email.text());
  if (!key) {
    if (full_for_new_names(scene)) return scene.service.commit_error(CommitOutcome::full);
    create_key(scene, hash, claimed ? *claimed : create_account(scene, request.email.text()));
    return ReplyBody{Claimed{true, false, request.email.text(), ""}};
  }
  auto account = scene.view.account(key->account);
  if (!account) throw store::CorruptValue("a key without its account");
  if (account->email == request.email.text())
    return ReplyBody{Claimed{false, false, request.email.text(), ""}};
  if (!account->email.empty()) {
    return Error{ErrorKind::conflict,
                 "this key belongs to another account; make a new one with: command apikey"};
  }
  if (claimed) {
    merge_accounts(scene, account->id, *claimed);
    key = find_key(scene.view, hash);
    key->account = *claimed;
    scene.view.put_key(hash, *key);
  } else {
    account->email = request.email.text();
    scene.view.put_account(*account);
  }
  return ReplyBody{Claimed{true, false, request.email.text(), ""}};
}

Reply handle(Scene& scene, const RemoveDomain& request) {
  const auto owner = owner_of(scene, request.key);
  if (!owner) return owner.error();
  const std::string canonical = request.domain.canonical();
  const auto watch = scene.view.watch(owner->key.account, canonical);
  if (!watch) return unknown_name();
  scene.view.remove_watch(owner->key.account, canonical);
  detach_endpoint(scene, watch->endpoint);
  if (auto adder = scene.view.key(watch->added_by); adder && adder->names > 0) {
    --adder->names;
    scene.view.put_key(watch->added_by, *adder);
  }
  return ReplyBody{Removed{}};
}

Reply handle(Scene& scene, const ScanDomain& request) {
  const auto owner = owner_of(scene, request.key);
  if (!owner) return owner.error();
  const auto watch = scene.view.watch(owner->key.account, request.domain.canonical());
  if (!watch) return unknown_name();
  auto endpoint = scene.view.endpoint(watch->endpoint).value();
  const UtcTime interval = scene.settings.config.accounts.scan_interval_s;
  const UtcTime wait = endpoint.scan_requested_utc + interval - scene.now;
  if (endpoint.scan_requested_utc != 0 && wait > 0 && wait <= interval) {
    return Error{ErrorKind::too_many, "this name was scanned on request a moment ago",
                 static_cast<std::uint32_t>(wait)};
  }
  endpoint.scan_requested_utc = scene.now;
  endpoint.next_scan_utc = scene.now;
  scene.view.put_endpoint(endpoint);
  scene.due_changed = true;
  return ReplyBody{ScanStarted{}};
}

template <class Kind>
class RequestJob final : public store::WriteJob {
 public:
  RequestJob(const Service& service, Kind request, const Caller& caller, SettingsPtr settings,
             Service::Answer answer)
      : service_(service),
        request_(std::move(request)),
        caller_(caller),
        settings_(std::move(settings)),
        answer_(std::move(answer)) {}

  void apply(WriteView& view) override {
    Scene scene{view, service_, *settings_, caller_, service_.now()};
    reply_ = handle(scene, request_);
    due_changed_ = scene.due_changed;
  }

  void done(CommitOutcome outcome) override {
    const bool committed = outcome == CommitOutcome::committed;
    // The scheduler hears of it first, so that whoever reads the answer finds it under way.
    if (committed && due_changed_) service_.due_changed();
    answer_(committed ? std::move(reply_) : Reply(service_.commit_error(outcome)));
  }

 private:
  const Service& service_;
  const Kind request_;
  const Caller caller_;
  const SettingsPtr settings_;
  const Service::Answer answer_;
  Reply reply_{Error{}};
  bool due_changed_ = false;
};

}  // namespace

std::unique_ptr<store::WriteJob> Service::write_job(const Request& request, const Caller& caller,
                                                    SettingsPtr settings, Answer answer) const {
  return std::visit(
      [&](const auto& kind) -> std::unique_ptr<store::WriteJob> {
        using Kind = std::decay_t<decltype(kind)>;
        if constexpr (std::is_same_v<Kind, AddDomain> || std::is_same_v<Kind, ClaimKey> ||
                      std::is_same_v<Kind, RemoveDomain> || std::is_same_v<Kind, ScanDomain>) {
          return std::make_unique<RequestJob<Kind>>(*this, kind, caller, std::move(settings),
                                                    std::move(answer));
        } else {
          throw std::logic_error("this request writes nothing");
        }
      },
      request);
}

}  // namespace certline::daemon
