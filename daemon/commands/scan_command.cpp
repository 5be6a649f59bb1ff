// `certlined scan`. It waits for the scanner's callback and prints what the daemon would have
// stored, as text or as one JSON document.
#include "daemon/commands/scan_command.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/json.hpp>
#include <ctime>
#include <future>
#include <ostream>

#include "inventory/renewal.hpp"
#include "pki/certificate_summary.hpp"
#include "pki/verdict.hpp"
#include "protocol/utc_text.hpp"
#include "scanner/scanner.hpp"

namespace certline::commands {
namespace {

namespace json = boost::json;

constexpr int kFine = 0, kProblem = 1, kUsage = 2;

UtcTime wall_clock() {
  return std::time(nullptr);
}

bool is_fine(const AddressObservation& a) {
  return a.state == ScanState::ok || a.state == ScanState::client_certificate_required;
}

int exit_status(const Observation& seen) {
  if (seen.resolution != ScanState::ok || seen.addresses.empty()) return kProblem;
  for (const AddressObservation& a : seen.addresses) {
    if (!is_fine(a)) return kProblem;
  }
  return kFine;
}

// Names and addresses, as far as they can be read.
std::vector<std::string> names_of(const pki::CertificateSummary& leaf) {
  if (!leaf.names) return {};
  std::vector<std::string> out = leaf.names->dns;
  for (const IpAddress& address : leaf.names->ip) out.push_back(address.to_string());
  return out;
}

void print_certificate(const AddressObservation& a, UtcTime now, std::ostream& out) {
  constexpr std::size_t kMostNames = 8;
  const UtcTime due = renewal_due_from(a.not_before, a.not_after);
  const pki::CertificateSummary leaf = pki::summarize(a.chain.front().der);
  std::vector<std::string> names = names_of(leaf);
  const std::size_t more = names.size() - std::min(names.size(), kMostNames);
  names.resize(names.size() - more);
  if (more > 0) names.push_back(fmt::format("{} more", more));
  out << fmt::format("  certificate  sha256 {}\n", hex(a.chain.front().sha256));
  out << fmt::format("  names        {}\n",
                     names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
  if (leaf.issuer) out << fmt::format("  issuer       {}\n", *leaf.issuer);
  if (a.not_after != 0) {
    out << fmt::format("  valid        {} to {} ({} days left)\n", second_text(a.not_before),
                       second_text(a.not_after), (a.not_after - now) / 86'400);
    out << fmt::format("  renewal      {} {}\n", now >= due ? "due since" : "due from",
                       second_text(due));
  }
  out << fmt::format("  chain        {} certificate{} sent\n", a.chain.size(),
                     a.chain.size() == 1 ? "" : "s");
}

void print_text(const scanner::Target& target, const Observation& seen, UtcTime now,
                std::ostream& out) {
  if (seen.resolution != ScanState::ok) {
    out << fmt::format("{} {}: {}\n", target.host, scan_state_name(seen.resolution), seen.detail);
  }
  for (const AddressObservation& a : seen.addresses) {
    const std::string address = a.address.to_string();
    out << fmt::format("{}{} port {}: {}{}{}\n", target.host,
                       address == target.host ? "" : " " + address, target.port,
                       scan_state_name(a.state), a.detail.empty() ? "" : " - ", a.detail);
    if (!a.chain.empty()) print_certificate(a, now, out);
    if (!a.protocol.empty()) {
      out << fmt::format("  connection   {} {}{}{}\n", a.protocol, a.cipher,
                         a.group.empty() ? "" : " ", a.group);
    }
  }
}

json::value to_json(const AddressObservation& a, UtcTime now) {
  json::array chain;
  for (const ObservedCertificate& c : a.chain) chain.emplace_back(hex(c.sha256));
  json::object row{{"address", a.address.to_string()},
                   {"state", scan_state_name(a.state)},
                   {"detail", a.detail},
                   {"trusted", a.trusted},
                   {"certificate_found", !a.chain.empty()},
                   {"chain_sha256", std::move(chain)},
                   {"protocol", a.protocol},
                   {"cipher", a.cipher},
                   {"alpn", a.alpn},
                   {"group", a.group},
                   {"elapsed_ms", a.elapsed_ms}};
  if (!a.chain.empty()) {
    const pki::CertificateSummary leaf = pki::summarize(a.chain.front().der);
    row["names"] = json::value_from(names_of(leaf));
    if (leaf.subject) row["subject"] = *leaf.subject;
    if (leaf.issuer) row["issuer"] = *leaf.issuer;
  }
  if (a.not_after != 0) {
    row["not_before_utc"] = a.not_before;
    row["renewal_utc"] = a.not_after;
    row["renewal_due"] = now >= renewal_due_from(a.not_before, a.not_after);
    row["expired"] = now >= a.not_after;
  }
  return row;
}

void print_json(const scanner::Target& target, const Observation& seen, UtcTime now,
                std::ostream& out) {
  json::array addresses;
  for (const AddressObservation& a : seen.addresses) addresses.push_back(to_json(a, now));
  out << json::serialize(json::object{{"host", target.host},
                                      {"port", target.port},
                                      {"starttls", starttls_name(target.starttls)},
                                      {"resolution", scan_state_name(seen.resolution)},
                                      {"detail", seen.detail},
                                      {"scanned_utc", seen.finished_utc},
                                      {"addresses", std::move(addresses)}})
      << '\n';
}

Result<scanner::Target> parse_target(const ScanCommand& command) {
  const DomainRules rules =
      command.config ? command.config->domain_rules() : DomainRules{/*special_names=*/true};
  const auto domain = Domain::parse(command.name, rules);
  if (!domain) return domain.error();
  Starttls starttls = default_starttls(domain->port());
  if (command.starttls) {
    const auto named = parse_starttls(*command.starttls);
    if (!named) return named.error();
    starttls = *named;
  }
  return scanner::Target{domain->host(), domain->port(), starttls};
}

}  // namespace

int run_scan(const ScanCommand& command, std::ostream& out, std::ostream& errors) {
  const auto target = parse_target(command);
  if (!target) {
    errors << "certlined: " << target.error().detail << '\n';
    return kUsage;
  }
  const runtime::Config config = command.config.value_or(runtime::Config{});
  auto trust = pki::TrustStore::load(config.trust_file());
  if (!trust) {
    errors << "certlined: " << trust.error().detail << '\n';
    return kUsage;
  }
  scanner::ScannerSettings settings = config.scanner_settings();
  settings.threads = 1;
  if (!command.config) {
    settings.policy =
        std::make_shared<const scanner::AddressPolicy>(scanner::AddressPolicy::allow_everything());
  }
  const std::shared_ptr<pki::Verifier> verifier =
      pki::Verifier::create(*trust, pki::IntermediatePool::create());
  auto result = std::make_shared<std::promise<Observation>>();
  auto future = result->get_future();
  const auto scanner = scanner::Scanner::create(settings, verifier, wall_clock);
  scanner->scan(*target, [result](Observation seen) { result->set_value(std::move(seen)); });
  const Observation seen = future.get();
  (command.json ? print_json : print_text)(*target, seen, wall_clock(), out);
  return exit_status(seen);
}

}  // namespace certline::commands
