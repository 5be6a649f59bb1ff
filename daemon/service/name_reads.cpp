// What a client may ask about its names besides their expiration: the list, the addresses of one,
// and the line for monitoring systems.
#include "daemon/service/handlers.hpp"
#include "daemon/service/keys.hpp"
#include "daemon/service/refusals.hpp"
#include "inventory/check.hpp"
#include "inventory/rollup.hpp"
#include "pki/digest.hpp"

namespace certline::service {
namespace {

constexpr std::size_t kPageNames = 200;  // more than fit one reply

}  // namespace

Result<KeyRecord> client_key(ReadContext& context, const Sha256& key_hash) {
  auto key = usable_key(context.view(), key_hash);
  if (key) context.reports.note(key_hash, *key);
  return key;
}

Result<WatchedName> watched_name(ReadContext& context, const Domain& domain,
                                 const ApiKey& api_key) {
  const auto key = client_key(context, pki::sha256(api_key.text()));
  if (!key) return key.error();
  auto watch = context.view().watches.find(key->account, domain.canonical());
  if (!watch) return unknown_name();
  auto endpoint = context.view().endpoints.find(watch->endpoint);
  if (!endpoint) throw store::CorruptValue("a watch without its endpoint");
  return WatchedName{std::move(*watch), std::move(*endpoint)};
}

Reply handle(ReadContext& context, const ListDomains& request) {
  const auto key = client_key(context, pki::sha256(request.key.text()));
  if (!key) return key.error();
  const std::string after = request.after ? request.after->canonical() : std::string();
  DomainPage page;
  for (auto& [name, watch] : context.view().watches.of(key->account, after).first(kPageNames + 1)) {
    if (page.names.size() == kPageNames) {
      page.more = true;
      break;
    }
    page.names.push_back(std::move(name));
  }
  return ReplyBody{std::move(page)};
}

Reply handle(ReadContext& context, const ListAddresses& request) {
  const auto found = watched_name(context, request.domain, request.key);
  if (!found) return found.error();
  AddressPage page;
  for (const AddressRecord& address : context.view().addresses.of(found->endpoint.id)) {
    if (request.after && address.address <= *request.after) continue;
    const ExpirationReport said =
        report_address("", found->watch, found->endpoint, address, context.now);
    page.rows.push_back({address.address, said.problem});
  }
  return ReplyBody{std::move(page)};
}

Reply handle(ReadContext& context, const CheckDomain& request) {
  const auto found = watched_name(context, request.domain, request.key);
  if (!found) return found.error();
  const ExpirationReport said =
      report(request.domain.input(), found->watch, found->endpoint, context.now);
  return ReplyBody{check(said, found->endpoint.renewal_due_utc, context.now)};
}

}  // namespace certline::service
