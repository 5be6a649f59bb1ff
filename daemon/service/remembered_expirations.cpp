// A report is made again from the few figures that it rests on; its dates are judged anew.
#include "daemon/service/remembered_expirations.hpp"

#include <algorithm>

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
  ExpirationReport& report = recalled.report;
  report.domain = domain;
  report.problem = problem_name(answer->problem);
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
  answer.problem = endpoint.problem;
  answer.certificate_found = report.certificate_found;
  answer.trusted = report.trusted;
  answer.hour = hour_of(parts_.now());
  answers_.keep(request.domain.input(), request.key.text(), answer);
}

}  // namespace certline::service
