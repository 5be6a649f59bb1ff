// The operator's watches are written anew at each start and with each certificate, so that they are
// always those of what is served: names that a new certificate leaves out are no longer watched.
#include "daemon/service/own_watches.hpp"

#include <algorithm>

#include "daemon/notices/incidents.hpp"
#include "daemon/service/watches.hpp"
#include "daemon/service/write_context.hpp"

namespace certline::service {
namespace {

class OwnNamesJob final : public store::WriteJob {
 public:
  OwnNamesJob(const runtime::Parts& parts, runtime::SettingsPtr settings,
              std::vector<scanner::OwnEndpoint> own)
      : parts_(parts),
        settings_(std::move(settings)),
        own_(std::move(own)),
        random_(parts.entropy) {}

  void apply(store::WriteView& view) override {
    random_.rewind();
    WriteContext context{view,         parts_,  *settings_,   caller_,
                         parts_.now(), random_, refusal_row_, "daemon"};
    keep_account(context);
    std::vector<std::string> wanted;
    for (const scanner::OwnEndpoint& own : own_) {
      const auto domain = Domain::parse(with_port(own.host, own.port), kOwnNames);
      if (!domain) continue;
      watch(context, *domain);
      wanted.push_back(domain->canonical());
    }
    for (const auto& [name, watch] : view.watches.of(kOperatorAccount)) {
      if (std::find(wanted.begin(), wanted.end(), name) != wanted.end()) continue;
      notices::release_watch(view, kOperatorAccount, name, watch, context.now);
      view.watches.remove(kOperatorAccount, name);
      detach_endpoint(context, watch);
      audit(context, "unwatch-own", kOperatorAccount, name);
    }
    due_changed_ = context.due_changed;
  }

  void done(store::CommitOutcome outcome) override {
    if (outcome != store::CommitOutcome::committed) {
      (void)parts_.commit_error(outcome);  // which says so in the log
    } else if (due_changed_) {
      parts_.due_changed();
    }
  }

 private:
  static void keep_account(WriteContext& context) {
    if (context.view.accounts.find(kOperatorAccount)) return;
    AccountRecord account;
    account.id = kOperatorAccount;
    account.created_utc = account.verified_utc = context.now;
    context.view.accounts.put(account);
  }

  static void watch(WriteContext& context, const Domain& domain) {
    const std::string name = domain.canonical();
    if (const auto known = context.view.watches.find(kOperatorAccount, name)) {
      auto endpoint = context.view.endpoints.find(known->endpoint).value();
      endpoint.next_scan_utc = context.now;
      context.view.endpoints.put(endpoint);
    } else {
      WatchRecord fresh;
      fresh.id = context.random.uuid();
      fresh.created_utc = context.now;
      fresh.endpoint = attach_endpoint(context, domain, Starttls::none).id;
      context.view.watches.put(kOperatorAccount, name, fresh);
      audit(context, "watch-own", kOperatorAccount, name);
    }
    context.due_changed = true;
  }

  const runtime::Parts& parts_;
  const runtime::SettingsPtr settings_;
  const std::vector<scanner::OwnEndpoint> own_;
  const Caller caller_{IpAddress::v4(0x7f000001)};
  JobRandom random_;
  RefusalRows refusal_rows_;
  RefusalRow refusal_row_{refusal_rows_};
  bool due_changed_ = false;
};

}  // namespace

std::unique_ptr<store::WriteJob> watch_own_names(const runtime::Parts& parts,
                                                 runtime::SettingsPtr settings,
                                                 std::vector<scanner::OwnEndpoint> own) {
  try {
    const bool ever = parts.store.read().accounts.find(kOperatorAccount).has_value();
    if (own.empty() && !ever) return nullptr;
  } catch (const store::CorruptValue&) {
    // The job comes upon it as well, and fails alone; the daemon serves what is sound.
  }
  return std::make_unique<OwnNamesJob>(parts, std::move(settings), std::move(own));
}

}  // namespace certline::service
