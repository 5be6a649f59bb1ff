// Fills a new store with names that were scanned a moment ago, in a mix of states:
// n000000000.example.org and so on, with every twentieth left out. Each is an endpoint with one
// address, and one key watches all. The certificate is zeros, because no measurement reads it.
// hits.py asks for the names.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include "pki/digest.hpp"
#include "store/lmdb/open.hpp"

namespace {

using namespace certline;

constexpr std::uint32_t kNamesPerCommit = 20'000;
constexpr UtcTime kDay = 86'400;

// Of twenty names, twelve are well, four due, three fail, and one is not watched.
enum class State { well, due, failing, unknown };
State state_of(std::uint32_t number) {
  const std::uint32_t place = number % 20;
  if (place < 12) return State::well;
  if (place < 16) return State::due;
  return place < 19 ? State::failing : State::unknown;
}

struct Seed {
  Sha256 key_hash;
  AccountId account = 0;
  UtcTime now = 0;
};

AddressRecord address_record(std::uint32_t number, const Seed& seed) {
  AddressRecord address;
  address.address = IpAddress::v4(0x7f000001 + number);
  const bool fails = state_of(number) == State::failing;
  address.state = fails ? ScanState::wrong_host : ScanState::ok;
  address.trusted = !fails;
  address.chain = {Sha256{}};
  address.not_before_utc = seed.now - 10 * kDay;
  address.not_after_utc = seed.now + 80 * kDay;
  address.protocol = "TLSv1.3";
  address.cipher = "TLS_AES_128_GCM_SHA256";
  address.first_seen_utc = address.last_scan_utc = address.state_since_utc = seed.now;
  return address;
}

void add_name(store::WriteView& view, std::uint32_t number, const Seed& seed) {
  const State state = state_of(number);
  if (state == State::unknown) return;
  char name[32];
  std::snprintf(name, sizeof name, "n%09u.example.org", number);
  EndpointRecord endpoint;
  endpoint.id = view.endpoints.new_id();
  endpoint.host = name;
  endpoint.watchers = 1;
  endpoint.last_scan_utc = seed.now;
  endpoint.next_scan_utc = seed.now + kDay + number % kDay;
  endpoint.addresses = 1;
  endpoint.certificate_found = true;
  endpoint.trusted = state != State::failing;
  endpoint.not_after_utc = seed.now + 80 * kDay;
  endpoint.renewal_due_utc = seed.now + (state == State::due ? -1 : 50) * kDay;
  endpoint.problem = state == State::failing ? ScanState::wrong_host : ScanState::ok;
  if (state == State::failing) endpoint.detail = "the certificate is for www.example.org";
  view.endpoints.put(endpoint);
  view.addresses.put(endpoint.id, address_record(number, seed), {{Sha256{}, {0}}}, seed.now);
  WatchRecord watch;
  watch.id = {static_cast<std::uint8_t>(number), static_cast<std::uint8_t>(number >> 8),
              static_cast<std::uint8_t>(number >> 16), static_cast<std::uint8_t>(number >> 24)};
  watch.endpoint = endpoint.id;
  watch.added_by = seed.key_hash;
  watch.created_utc = seed.now;
  view.watches.put(seed.account, name, watch);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: seed_store DIRECTORY NAMES KEY\n");
    return 2;
  }
  const auto names = static_cast<std::uint32_t>(std::atol(argv[2]));
  auto store = store::lmdb::open({argv[1], 16ull << 30, false});
  if (!store) {
    std::fprintf(stderr, "seed_store: %s\n", store.error().detail.c_str());
    return 1;
  }
  Seed seed{pki::sha256(argv[3]), 0, std::time(nullptr)};
  for (std::uint32_t done = 0; done < names; done += kNamesPerCommit) {
    const auto outcome = (*store)->write([&](store::WriteView& view) {
      if (done == 0) {
        seed.account = view.accounts.new_id();
        AccountRecord account;
        account.id = seed.account;
        account.created_utc = seed.now;
        view.accounts.put(account);
      }
      const std::uint32_t end = std::min(names, done + kNamesPerCommit);
      for (std::uint32_t i = done; i < end; ++i) add_name(view, i, seed);
      KeyRecord key;
      key.account = seed.account;
      key.created_utc = seed.now;
      key.names = end - end / 20;
      view.keys.put(seed.key_hash, key);
    });
    if (outcome != store::CommitOutcome::committed) {
      std::fprintf(stderr, "seed_store: a commit failed\n");
      return 1;
    }
  }
  return 0;
}
