// DNS messages from arbitrary resolvers. The first byte picks the type of the question. Any bytes
// give addresses or a problem or neither, never both, and no more addresses than records fit the
// message. The same holds for a message cut at any place.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "scanner/dns_answer.hpp"

namespace {

using namespace certline;
using namespace certline::scanner;

void require(bool held) {
  if (!held) std::abort();
}

DnsAddresses look(std::span<const std::uint8_t> message, DnsType type) {
  const DnsAddresses found = read_dns_answer(message, type);
  constexpr std::size_t kLeastRecord = 15;  // a name, its fixed fields and the shortest address
  require(found.addresses.size() * kLeastRecord <= message.size());
  if (found.problem != nullptr) {
    require(found.addresses.empty() && !std::string_view(found.problem).empty());
  }
  for (const IpAddress& address : found.addresses) {
    require(IpAddress::parse(address.to_string()) == address);
  }
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const DnsType type = data[0] % 2 == 0 ? DnsType::a : DnsType::aaaa;
  const std::span<const std::uint8_t> message(data + 1, size - 1);
  look(message, type);
  for (std::size_t cut = 0; cut < message.size(); ++cut) look(message.first(cut), type);
  return 0;
}
