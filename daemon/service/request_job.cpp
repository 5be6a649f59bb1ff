// A job decides inside the write transaction, so that quota, ownership and idempotence hold
// whatever runs beside it; it may run again, and then decides anew. Its handler is one of
// handlers.hpp.
#include "daemon/service/request_job.hpp"

#include <stdexcept>

#include "daemon/service/handlers.hpp"
#include "daemon/service/keys.hpp"
#include "pki/digest.hpp"

namespace certline::service {
namespace {

std::string actor_of(const Request& request, const Caller& caller) {
  if (needs_administrator(request)) return "uid " + std::to_string(caller.uid);
  if (std::holds_alternative<ConfirmToken>(request)) return "token";
  const ApiKey* const key = key_of(request);
  return key == nullptr ? "new key" : "key " + tag_text(pki::sha256(key->text()));
}

class RequestJob final : public store::WriteJob {
 public:
  RequestJob(const runtime::Parts& parts, RefusalRows& refusal_rows, const Request& request,
             const Caller& caller, runtime::SettingsPtr settings, std::function<void(Reply)> answer)
      : parts_(parts),
        request_(request),
        caller_(caller),
        settings_(std::move(settings)),
        answer_(std::move(answer)),
        random_(parts.entropy),
        refusal_row_(refusal_rows) {}

  void apply(store::WriteView& view) override {
    random_.rewind();
    WriteContext context{view,         parts_,  *settings_,   caller_,
                         parts_.now(), random_, refusal_row_, actor_of(request_, caller_)};
    reply_ = std::visit(
        [&](const auto& request) -> Reply {
          if constexpr (Writing<std::decay_t<decltype(request)>>) {
            return handle(context, request);
          } else {
            throw std::logic_error("this request writes nothing");
          }
        },
        request_);
    due_changed_ = context.due_changed;
  }

  void done(store::CommitOutcome outcome) override {
    const bool committed = outcome == store::CommitOutcome::committed;
    // The scheduler hears of it first, so that whoever reads the answer finds it under way.
    if (committed && due_changed_) parts_.due_changed();
    answer_(committed ? std::move(reply_) : Reply(parts_.commit_error(outcome)));
  }

 private:
  const runtime::Parts& parts_;
  const Request request_;
  const Caller caller_;
  const runtime::SettingsPtr settings_;
  const std::function<void(Reply)> answer_;
  JobRandom random_;
  RefusalRow refusal_row_;
  Reply reply_{Error{}};
  bool due_changed_ = false;
};

}  // namespace

std::unique_ptr<store::WriteJob> request_job(const runtime::Parts& parts, RefusalRows& refusal_rows,
                                             const Request& request, const Caller& caller,
                                             runtime::SettingsPtr settings,
                                             std::function<void(Reply)> answer) {
  return std::make_unique<RequestJob>(parts, refusal_rows, request, caller, std::move(settings),
                                      std::move(answer));
}

}  // namespace certline::service
