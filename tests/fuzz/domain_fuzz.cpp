// Domains from arbitrary bytes. An accepted domain is canonical (its canonical text parses to
// itself), is within the limits of DNS, and is never a name that an address parser would read as an
// address.
#include <arpa/inet.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "protocol/domain.hpp"
#include "protocol/limits.hpp"

namespace {

using namespace certline;

void require(bool held) {
  if (!held) std::abort();
}

void check(std::string_view text, DomainRules rules) {
  const auto domain = Domain::parse(text, rules);
  if (!domain) {
    require(domain.error().kind == ErrorKind::invalid_value ||
            domain.error().kind == ErrorKind::refused);
    for (const char c : domain.error().detail) require(c >= 0x20 && c < 0x7f);
    return;
  }
  require(domain->port() != 0);
  require(domain->host().size() <= kDomainNameBytes);
  require(domain->input().size() == text.size() && text.size() <= kDomainInputBytes);
  const auto again = Domain::parse(domain->canonical(), rules);
  require(again && again->canonical() == domain->canonical() && again->ip() == domain->ip());
  const auto lower = Domain::parse(domain->input(), rules);
  require(lower && lower->canonical() == domain->canonical());
  in_addr address;
  if (!domain->ip()) require(inet_aton(domain->host().c_str(), &address) == 0);
  if (domain->ip()) require(IpAddress::parse(domain->host()) == domain->ip());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text, DomainRules{false});
  check(text, DomainRules{true});
  return 0;
}
