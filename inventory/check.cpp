// The rows are tried from the worst to the best. The first that applies is the answer.
#include "inventory/check.hpp"

#include "inventory/schedule.hpp"

namespace certline {
namespace {

std::int64_t whole_days(UtcTime seconds) {
  const std::int64_t days = seconds / kDay;
  return seconds % kDay < 0 ? days - 1 : days;
}

std::string days_text(std::int64_t days) {
  if (days < 0) return "expired " + std::to_string(-days) + (days == -1 ? " day ago" : " days ago");
  return std::to_string(days) + (days == 1 ? " day left" : " days left");
}

}  // namespace

CheckResult check(const ExpirationReport& report, UtcTime renewal_due_utc, UtcTime now) {
  CheckResult out;
  out.domain = report.domain;
  out.problem = report.problem;
  const std::string problem(report.problem);
  if (!report.certificate_found) {
    out.state = CheckState::unknown;
    out.text = problem == "none" ? "no certificate was seen" : problem;
    return out;
  }
  std::string left = "its end cannot be read";
  if (report.renewal_utc != 0) {
    out.days_left = whole_days(report.renewal_utc - now);
    left = days_text(*out.days_left);
    if (renewal_due_utc != 0) out.due_days = (report.renewal_utc - renewal_due_utc) / kDay;
  }
  const bool well = problem == "none";
  const struct {
    bool applies;
    CheckState state;
    std::string text;
  } rows[] = {
      {report.expired_found, CheckState::critical, left},
      {!report.trusted, CheckState::critical, problem + ", " + left},
      {report.renewal_due, CheckState::warning,
       "renewal is due, " + left + (well ? "" : ", " + problem)},
      {!well, CheckState::warning, problem + ", " + left},
      {true, CheckState::ok, left},
  };
  for (const auto& row : rows) {
    if (!row.applies) continue;
    out.state = row.state;
    out.text = row.text;
    break;
  }
  return out;
}

}  // namespace certline
