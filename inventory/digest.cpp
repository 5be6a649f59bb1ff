// The summary of an account. Names come one at a time and only the worst rows are kept. So its
// memory does not grow with the number of names.
#include <algorithm>

#include "inventory/advice.hpp"
#include "inventory/compose.hpp"
#include "inventory/rollup.hpp"
#include "inventory/schedule.hpp"
#include "inventory/wording.hpp"

namespace certline {
namespace {

using Row = DigestFacts::Row;

bool sooner(const Row& a, const Row& b) {
  return std::pair(a.at_utc, a.name) < std::pair(b.at_utc, b.name);
}

// Keeps the kRows soonest: a heap whose front is the latest.
void keep_soonest(std::vector<Row>& rows, Row row) {
  rows.push_back(std::move(row));
  std::push_heap(rows.begin(), rows.end(), sooner);
  if (rows.size() <= DigestFacts::kRows) return;
  std::pop_heap(rows.begin(), rows.end(), sooner);
  rows.pop_back();
}

// What went wrong on the way is told as such, what certificates say as a verdict.
EventKind event_of(ScanState problem) {
  if (problem == ScanState::old_certificate_served) return EventKind::old_certificate;
  if (problem == ScanState::expired) return EventKind::expired;
  if (is_verdict(problem)) return EventKind::verdict;
  return EventKind::unreachable;
}

MessageHost host_of(const Row& row) {
  MessageHost out;
  out.name = row.name;
  out.state = row.state;
  out.advice = row.advice;
  out.seen_utc = row.seen_utc;
  return out;
}

std::string open_text(const DigestFacts& facts) {
  std::vector<std::string> kinds;
  for (std::size_t n = 1; n < facts.open.size(); ++n) {
    const EventKind kind = static_cast<EventKind>(n);
    if (facts.open[n] == 0 || kind == EventKind::renewed) continue;
    std::string name(event_name(kind));
    std::replace(name.begin(), name.end(), '_', ' ');
    kinds.push_back(std::to_string(facts.open[n]) + " " + name);
  }
  return kinds.empty() ? "Nothing that was reported is still open."
                       : "Reported and still open: " + joined(kinds, kinds.size()) + '.';
}

}  // namespace

void add_name(DigestFacts& facts, const std::string& name, const WatchRecord& watch,
              const EndpointRecord& endpoint, UtcTime now) {
  ++facts.names;
  if (watch.resting) {
    ++facts.resting;
    return;
  }
  if (endpoint.last_scan_utc == 0) {
    ++facts.not_scanned;
    return;
  }
  const bool awaited = watch.expected && watch.expected_met_utc == 0;
  const ScanState problem = awaited ? ScanState::old_certificate_served : endpoint.problem;
  Row row{name, endpoint.not_after_utc, endpoint.last_scan_utc, {}, {}};
  const bool dated = endpoint.certificate_found && endpoint.not_after_utc != 0;
  const auto advise = [&](EventKind event) {
    return advice(
        {event, problem, endpoint.host, endpoint.port, endpoint.starttls, endpoint.detail});
  };
  if (problem != ScanState::ok && problem != ScanState::client_certificate_required) {
    ++facts.problem_count;
    row.state = awaited || endpoint.detail.empty() ? phrase(problem) : endpoint.detail;
    row.advice = advise(event_of(problem));
    if (facts.problems.size() < DigestFacts::kRows) facts.problems.push_back(row);
  } else {
    ++facts.fine;
  }
  if (!dated || endpoint.not_after_utc - now > kDigestDays * kDay) return;
  ++facts.due_count;
  row.state = ends_text(endpoint.not_after_utc, now);
  row.advice = now >= endpoint.renewal_due_utc ? advise(EventKind::renewal_overdue) : "";
  keep_soonest(facts.due, std::move(row));
}

Message compose_digest(const DigestFacts& facts, Digest how_often, UtcTime now) {
  Message out;
  out.event = out.about = EventKind::digest;
  out.severity = facts.problem_count > 0 ? Severity::warning : Severity::notice;
  out.created_utc = now;
  out.title = std::string(how_often == Digest::weekly ? "Weekly" : "Daily") +
              " summary: " + counted(facts.names, "name") + ", " + std::to_string(facts.due_count) +
              " ending within " + std::to_string(kDigestDays) + " days, " +
              counted(facts.problem_count, "problem");
  out.text = counted(facts.names, "name") + " watched, " + std::to_string(facts.fine) + " fine";
  if (facts.not_scanned > 0) {
    out.text += ", " + std::to_string(facts.not_scanned) + " not looked at yet";
  }
  if (facts.resting > 0) out.text += ", " + std::to_string(facts.resting) + " resting";
  out.text += ".\n" + open_text(facts);
  for (const Row& row : facts.problems) out.hosts.push_back(host_of(row));
  std::vector<Row> due = facts.due;
  std::sort(due.begin(), due.end(), sooner);
  for (const Row& row : due) out.hosts.push_back(host_of(row));
  out.more_hosts = facts.problem_count + facts.due_count - out.hosts.size();
  return out;
}

}  // namespace certline
