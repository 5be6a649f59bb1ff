// `command expiration`: one short transaction looks up the key, the watch and the endpoint; the
// roll-up over addresses is already in the endpoint's record. The other reads of names are
// name_reads.cpp.
#include <algorithm>
#include <limits>

#include "daemon/service/handlers.hpp"
#include "daemon/service/keys.hpp"
#include "daemon/service/refusals.hpp"
#include "inventory/renewal.hpp"
#include "inventory/rollup.hpp"
#include "pki/digest.hpp"

namespace certline::service {
namespace {

AddressReport report_of(const AddressRecord& address, UtcTime now) {
  AddressReport out;
  out.ip = address.address;
  out.last_scan_utc = address.last_scan_utc;
  if (address.chain.empty()) return out;
  out.certificate_found = true;
  out.certificate_sha256 = address.chain.front();
  if (address.not_after_utc == 0) return out;
  out.renewal_utc = address.not_after_utc;
  out.renewal_due = now >= renewal_due_from(address.not_before_utc, address.not_after_utc);
  out.expired = now >= address.not_after_utc;
  return out;
}

UtcTime address_holds_until(const AddressRecord& address, UtcTime now) {
  return dates_hold_until(!address.chain.empty(), address.not_after_utc,
                          renewal_due_from(address.not_before_utc, address.not_after_utc), now);
}

// The addresses asked about, each by itself; gives until when they say the same.
UtcTime add_results(ExpirationReport& report, const std::vector<AddressRecord>& addresses,
                    const std::optional<IpAddress>& only, UtcTime now) {
  UtcTime until = std::numeric_limits<UtcTime>::max();
  for (const AddressRecord& address : addresses) {
    if (only && address.address != *only) continue;
    report.results.push_back(report_of(address, now));
    until = std::min(until, address_holds_until(address, now));
  }
  return until;
}

void say_resting(ExpirationReport& report) {
  report.problem = "resting";
  report.detail =
      "not scanned: no matching certificate was seen in time; confirm the key with the mail that "
      "its claim sent, or add the name again";
}

// Of the one address that was asked for, alone. Nothing if the name does not have it.
std::optional<ExpirationReport> report_one(ReadContext& context, const GetExpiration& request,
                                           const WatchedName& name) {
  const std::string& domain = request.domain.input();
  const auto address = context.view().addresses.find(name.endpoint.id, *request.ip);
  if (address) return report_address(domain, name.watch, name.endpoint, *address, context.now);
  if (!request.each_address) return std::nullopt;
  ExpirationReport none = report(domain, name.watch, name.endpoint, context.now);
  set_dates(none, false, 0, 0, context.now);  // of no address: no certificate
  none.trusted = false;
  none.addresses = 0;
  return none;
}

bool is_fresh(const EndpointRecord& endpoint, const ReadContext& context) {
  return endpoint.last_scan_utc != 0 && endpoint.last_scan_utc >= context.received_utc &&
         endpoint.next_scan_utc > context.now;
}

}  // namespace

Reply handle(ReadContext& context, const GetExpiration& request) {
  const Sha256 hash = pki::sha256(request.key.text());
  const store::ReadView& view = context.view();
  const auto key = usable_key(view, hash);
  if (!key) return key.error();
  const std::string canonical = request.domain.canonical();
  auto watch = view.watches.find(key->account, canonical);
  if (!watch) {
    // No endpoint has the number 0: only a write to the key or to this watch changes the answer.
    const auto stamp = context.parts.store.stamp(view, hash, key->account, canonical, 0);
    if (stamp && !request.ip) context.remembered.keep_unknown(request, *stamp, context.settings);
    return unknown_name();
  }
  auto known = view.endpoints.find(watch->endpoint);
  if (!known) throw store::CorruptValue("a watch without its endpoint");
  const WatchedName name{std::move(*watch), std::move(*known)};
  const EndpointRecord& endpoint = name.endpoint;

  const bool waits = request.wait_s > 0 && !name.watch.resting;
  if (waits && !is_fresh(endpoint, context)) context.wait_for = endpoint.id;
  auto said = request.ip ? report_one(context, request, name)
                         : report(request.domain.input(), name.watch, endpoint, context.now);
  if (!said) {
    return Error{ErrorKind::not_registered,
                 request.ip->to_string() +
                     " is not an address of this name; leave ip out to see what is known of it"};
  }
  UtcTime until = dates_hold_until(endpoint.certificate_found, endpoint.not_after_utc,
                                   endpoint.renewal_due_utc, context.now);
  if (request.each_address || request.ip) {
    const auto addresses = view.addresses.of(endpoint.id);
    ExpirationReport each;
    until = std::min(until, add_results(each, addresses, request.ip, context.now));
    if (request.each_address) said->results = std::move(each.results);
  }
  if (name.watch.resting) say_resting(*said);
  const auto stamp =
      context.parts.store.stamp(view, hash, key->account, canonical, name.watch.endpoint);
  if (stamp) {
    context.basis = basis_of(*stamp, context.settings.generation, context.now, until);
    if (!request.ip) {
      context.remembered.keep(request, *said, endpoint, *stamp, context.settings);
    }
  }
  // Last, as the note is a write to the key: no stamp is given while that is under way.
  context.reports.note(hash, *key);
  return ReplyBody{std::move(*said)};
}

}  // namespace certline::service
