// The addresses at which the scanner finds the daemon's own names.
#include "daemon/own_endpoints.hpp"

#include "tests/unit/daemon/server/tls_fixture.hpp"

using namespace certline;
using namespace certline::runtime;
using namespace certline::server;
using certline::daemon::own_endpoints;

TEST_CASE("own names: one for each TLS port, at an address that reaches it") {
  const TemporaryDirectory dir;
  const auto identity =
      TlsPair(dir.path, "own", {"DNS:a.example.org", "DNS:*.a.example.org", "IP:::1"}).identity();
  const IpAddress lan = IpAddress::v4(0xc0000201);
  const auto own = own_endpoints(identity.get(), {{Wire::line, {lan, 10023}, {}},
                                                  {Wire::line_tls, {lan, 10024}, {}},
                                                  {Wire::https, {IpAddress::v4(0), 443}, {}},
                                                  {Wire::https, {IpAddress{}, 443}, {}}});
  std::vector<std::string> told;
  for (const auto& each : own) {
    told.push_back(each.host + " " + std::to_string(each.port) + " " + each.address.to_string());
  }
  CHECK(told == std::vector<std::string>{"a.example.org 10024 192.0.2.1", "::1 10024 192.0.2.1",
                                         "a.example.org 443 127.0.0.1", "::1 443 127.0.0.1"});
  CHECK(own_endpoints(nullptr, {{Wire::line_tls, {lan, 10024}, {}}}).empty());
}
