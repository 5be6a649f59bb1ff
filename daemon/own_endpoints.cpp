// The only place where the listeners and the certificate meet. The scanner gets the addresses, and
// service/own_watches.cpp makes watches of them.
#include "daemon/own_endpoints.hpp"

#include <algorithm>

#include "daemon/service/own_watches.hpp"

namespace certline::daemon {
namespace {

// A listener of every address is reached by loopback.
IpAddress reachable(const IpAddress& listening) {
  static const IpAddress kEveryV6{}, kLoopbackV6 = *IpAddress::parse("::1");
  if (listening == kEveryV6) return kLoopbackV6;
  if (listening == IpAddress::v4(0)) return IpAddress::v4(0x7f000001);
  return listening;
}

}  // namespace

std::vector<scanner::OwnEndpoint> own_endpoints(const server::TlsIdentity* identity,
                                                const std::vector<server::Bound>& bound) {
  std::vector<scanner::OwnEndpoint> all;
  if (identity == nullptr) return all;
  for (const server::Bound& port : bound) {
    if (!server::is_tls(port.wire)) continue;
    for (const std::string& name : identity->names()) {
      const auto domain = Domain::parse(with_port(name, port.address.port), service::kOwnNames);
      if (!domain) continue;
      const auto same = [&](const scanner::OwnEndpoint& known) {
        return known.host == domain->host() && known.port == domain->port();
      };
      if (std::any_of(all.begin(), all.end(), same)) continue;
      all.push_back({domain->host(), domain->port(), reachable(port.address.address)});
    }
  }
  return all;
}

}  // namespace certline::daemon
