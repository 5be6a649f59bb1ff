// The writing half of the service: one job per request. A job decides inside the write transaction,
// so that quota, ownership and idempotence hold whatever runs beside it. The handlers themselves
// lie by idea in service_names, service_accounts, service_tokens and service_administration.
#include "daemon/service/write_context.hpp"

#include <algorithm>
#include <stdexcept>
#include <type_traits>

#include "pki/digest.hpp"

namespace certline::service {
namespace {

using store::CommitOutcome;
using store::WriteView;

// So much of the map is kept for changes to what is there: a tenth of it, and in a small one room
// for the pages that two writes copy, since those of the last one are not free yet.
constexpr std::uint64_t kReservedShare = 10;
constexpr std::uint64_t kReservedBytes = 256 * 1024;
// And so much for each endpoint that no scan has found an address of: what the first one brings.
constexpr std::uint64_t kFirstScanBytes = 4096;

std::string actor_of(const Request& request, const Caller& caller) {
  if (needs_administrator(request)) return "uid " + std::to_string(caller.uid);
  if (std::holds_alternative<ConfirmToken>(request)) return "token";
  const ApiKey* const key = key_of(request);
  return key == nullptr ? "new key" : "key " + tag_text(pki::sha256(key->text()));
}

template <class Kind>
concept Written = requires(Scene& scene, const Kind& request) {
  { handle(scene, request) } -> std::same_as<Reply>;
};

class RequestJob final : public store::WriteJob {
 public:
  RequestJob(const Service& service, Request request, const Caller& caller,
             runtime::SettingsPtr settings, Service::Answer answer)
      : service_(service),
        request_(std::move(request)),
        caller_(caller),
        settings_(std::move(settings)),
        answer_(std::move(answer)),
        draws_(service.parts().entropy) {}

  void apply(WriteView& view) override {
    draws_.rewind();
    Scene scene{view,
                service_,
                *settings_,
                caller_,
                service_.parts().now(),
                draws_,
                refusal_row_,
                actor_of(request_, caller_)};
    reply_ = std::visit(
        [&](const auto& request) -> Reply {
          if constexpr (Written<std::decay_t<decltype(request)>>) {
            return handle(scene, request);
          } else {
            throw std::logic_error("this request writes nothing");
          }
        },
        request_);
    due_changed_ = scene.due_changed;
  }

  void done(CommitOutcome outcome) override {
    const bool committed = outcome == CommitOutcome::committed;
    // The scheduler hears of it first, so that whoever reads the answer finds it under way.
    if (committed && due_changed_) service_.due_changed();
    answer_(committed ? std::move(reply_) : Reply(service_.parts().commit_error(outcome)));
  }

 private:
  const Service& service_;
  const Request request_;
  const Caller caller_;
  const runtime::SettingsPtr settings_;
  const Service::Answer answer_;
  Draws draws_;
  std::optional<std::optional<std::uint64_t>> refusal_row_;
  Reply reply_{Error{}};
  bool due_changed_ = false;
};

// Nothing to write, only to say in its turn.
class RefusalJob final : public store::WriteJob {
 public:
  RefusalJob(Error error, Service::Answer answer)
      : error_(std::move(error)), answer_(std::move(answer)) {}
  void apply(WriteView&) override {}
  void done(CommitOutcome) override { answer_(error_); }

 private:
  const Error error_;
  const Service::Answer answer_;
};

}  // namespace

Sha256 Draws::next() {
  if (seed_.empty()) {
    seed_.resize(32);
    entropy_.fill(reinterpret_cast<std::uint8_t*>(seed_.data()), seed_.size());
  }
  return pki::hmac_sha256(seed_, std::to_string(++count_));
}

Uuid Draws::uuid() {
  Uuid uuid{};
  const Sha256 bytes = next();
  std::copy_n(bytes.begin(), uuid.size(), uuid.begin());
  return runtime::as_uuid(uuid, 4);
}

KeyTag tag_of(const Sha256& key_hash) {
  KeyTag tag{};
  std::copy_n(key_hash.begin(), tag.size(), tag.begin());
  return tag;
}

std::string tag_text(const Sha256& key_hash) {
  return hex(tag_of(key_hash));
}

void audit(Scene& scene, std::string_view action, AccountId account, std::string subject) {
  scene.view.append_audit({scene.now, scene.actor, scene.caller.source, std::string(action),
                           account, std::move(subject), ""});
}

Error refused(Scene& scene, std::string_view action, AccountId account, std::string subject,
              Error why) {
  if (!scene.refusal_row) scene.refusal_row = scene.service.take_refusal_row(scene.now);
  if (const auto& left_out = *scene.refusal_row) {
    std::string detail = why.detail;
    if (*left_out > 0) detail += "; " + std::to_string(*left_out) + " more were left out before";
    scene.view.append_audit({scene.now, scene.actor, scene.caller.source, std::string(action),
                             account, std::move(subject), std::move(detail)});
  }
  return why;
}

bool full_for_new_names(const Scene& scene) {
  // Looked at within the write: the names before it in the same commit count.
  const store::Counts counts = scene.view.counts();
  const std::uint64_t unscanned = counts.endpoints - std::min(counts.endpoints, counts.addresses);
  const std::uint64_t kept = std::max(scene.view.map_bytes() / kReservedShare, kReservedBytes);
  if (scene.view.free_bytes() >= kept + unscanned * kFirstScanBytes) return false;
  const runtime::Parts& parts = scene.service.parts();
  const auto used = static_cast<std::int64_t>(parts.store.used_fraction() * 100);
  parts.log.write_limited(runtime::LogLevel::warning, "store_full",
                          {{"used_percent", used}, {"do", "raise store.map_size"}});
  return true;
}

Error store_full(const Scene& scene) {
  return scene.service.parts().commit_error(CommitOutcome::full);
}

std::unique_ptr<store::WriteJob> Service::write_job(const Request& request, const Caller& caller,
                                                    runtime::SettingsPtr settings,
                                                    Answer answer) const {
  if (needs_administrator(request) && !caller.administrator) {
    return std::make_unique<RefusalJob>(only_administrators(), std::move(answer));
  }
  return std::make_unique<RequestJob>(*this, request, caller, std::move(settings),
                                      std::move(answer));
}

}  // namespace certline::service
