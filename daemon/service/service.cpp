// The one place where a request meets the store's views: an engine that answers later changes this
// file and no handler.
#include "daemon/service/service.hpp"

#include "daemon/service/handlers.hpp"
#include "daemon/service/refusals.hpp"
#include "daemon/service/request_job.hpp"

namespace certline::service {

Service::Service(const runtime::Parts& parts, std::size_t remembered_answers)
    : parts_(parts),
      started_utc_(parts.now()),
      remembered_(parts, remembered_answers),
      reports_(parts) {}

template <class R>
Service::Answered Service::read(const R& request, const runtime::Settings& settings,
                                UtcTime received_utc) const {
  ReadContext context{parts_,       settings,     reports_,    remembered_,
                      started_utc_, received_utc, parts_.now()};
  try {
    Reply reply = handle(context, request);
    return {std::move(reply), context.wait_for, context.basis};
  } catch (const store::CorruptValue& damage) {
    parts_.log.write_limited(runtime::LogLevel::error, "store_damaged", {{"what", damage.what()}});
    return {Error{ErrorKind::internal,
                  "a stored value is damaged; the operator should restore a backup"}};
  } catch (const store::StoreFailure& failure) {
    parts_.log.write_limited(runtime::LogLevel::error, "store_failed", {{"what", failure.what()}});
    return {Error{ErrorKind::unavailable, "the store cannot be read now; try again later"}};
  }
}

void Service::ask(const Request& request, const Caller& caller,
                  const runtime::SettingsPtr& settings, UtcTime received_utc,
                  store::Store::Jobs& writes, Answer answer) const {
  if (needs_administrator(request) && !caller.administrator) {
    return answer({only_administrators()});
  }
  const auto dispatch = [&](const auto& r) {
    if constexpr (Reading<std::decay_t<decltype(r)>>) {
      answer(read(r, *settings, received_utc));
    } else {
      auto reply = [answer = std::move(answer)](Reply said) { answer({std::move(said)}); };
      writes.push_back(
          request_job(parts_, refusal_rows_, request, caller, settings, std::move(reply)));
    }
  };
  std::visit(dispatch, request);
}

}  // namespace certline::service
