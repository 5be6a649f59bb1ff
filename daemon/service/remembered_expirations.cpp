// A report is made again from the few figures that it rests on; its dates are judged anew.
#include "daemon/service/remembered_expirations.hpp"

#include <algorithm>
#include <limits>

#include "daemon/service/refusals.hpp"
#include "inventory/client_silence.hpp"
#include "inventory/rollup.hpp"

namespace certline::service {
namespace {

// What is remembered is looked up anew once an hour, so that reports of clients are noticed.
static_assert(kHour <= kReportPeriod);
std::uint8_t hour_of(UtcTime now) {
  return static_cast<std::uint8_t>(now / kHour);
}

}  // namespace

RecentAnswers::Basis basis_of(const store::Stamp& stamp, std::uint32_t rules, UtcTime now,
                              UtcTime dates_hold) {
  return {stamp, rules, now, std::min(dates_hold, (now / kHour + 1) * kHour)};
}

const RememberedExpirations::Recalled* RememberedExpirations::recall(
    std::string_view domain, std::string_view key, const runtime::Settings& settings) const {
  const auto answer = answers_.find(domain, key);
  const UtcTime now = parts_.now();
  if (!answer || answer->rules != settings.generation || answer->hour != hour_of(now) ||
      !parts_.store.unchanged(answer->stamp)) {
    return nullptr;
  }
  thread_local Recalled recalled;
  if (!answer->watched) {
    recalled.refused = unknown_name();
    recalled.basis =
        basis_of(answer->stamp, answer->rules, now, std::numeric_limits<UtcTime>::max());
    return &recalled;
  }
  recalled.refused.reset();
  ExpirationReport& report = recalled.report;
  report.domain = domain;
  report.problem = answer->problem;
  report.detail = answer->detail ? *answer->detail : std::string();
  report.trusted = answer->trusted;
  report.addresses = answer->addresses;
  report.last_scan_utc = answer->last_scan_utc;
  report.next_scan_utc = answer->next_scan_utc;
  set_dates(report, answer->certificate_found, answer->not_after_utc, answer->renewal_due_utc, now);
  recalled.basis = basis_of(answer->stamp, answer->rules, now,
                            dates_hold_until(answer->certificate_found, answer->not_after_utc,
                                             answer->renewal_due_utc, now));
  return &recalled;
}

void RememberedExpirations::keep(const GetExpiration& request, const ExpirationReport& report,
                                 const EndpointRecord& endpoint, const store::Stamp& stamp,
                                 const runtime::Settings& settings) const {
  AnswerCache::Answer answer;
  answer.last_scan_utc = report.last_scan_utc;
  answer.next_scan_utc = report.next_scan_utc;
  answer.not_after_utc = endpoint.not_after_utc;
  answer.renewal_due_utc = endpoint.renewal_due_utc;
  answer.stamp = stamp;
  answer.rules = settings.generation;
  answer.addresses = report.addresses;
  answer.problem = report.problem;
  if (!report.detail.empty()) answer.detail = std::make_shared<const std::string>(report.detail);
  answer.certificate_found = report.certificate_found;
  answer.trusted = report.trusted;
  answer.hour = hour_of(parts_.now());
  answers_.keep(request.domain.input(), request.key.text(), answer);
}

void RememberedExpirations::keep_unknown(const GetExpiration& request, const store::Stamp& stamp,
                                         const runtime::Settings& settings) const {
  AnswerCache::Answer answer;
  answer.stamp = stamp;
  answer.rules = settings.generation;
  answer.watched = false;
  answer.hour = hour_of(parts_.now());
  answers_.keep(request.domain.input(), request.key.text(), answer);
}

}  // namespace certline::service
