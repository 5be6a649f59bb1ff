// Values: every field survives, every damaged bit is noticed, no bytes crash the decoder.
#include "store/codec.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "samples.hpp"
#include "store/checksum.hpp"
#include "store/tables.hpp"

using namespace certline;
using namespace certline::store;
using namespace certline::store::test;

namespace {

ByteView view(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

template <class Record>
void check_round_trip(const Record& record) {
  const std::string bytes = encode(record);
  Record back;
  decode(view(bytes), back);
  CHECK(encode(back) == bytes);
}

template <class Record>
void check_every_bit(const Record& record) {
  std::string bytes = encode(record);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const char mask = static_cast<char>(1u << (bit % 8));
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ mask);
    Record back;
    REQUIRE_THROWS_AS(decode(view(bytes), back), CorruptValue);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ mask);
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    Record back;
    REQUIRE_THROWS_AS(decode(view(bytes).first(size), back), CorruptValue);
  }
}

// Damage behind a right checksum: the verifier and the range checks are what is left.
template <class Record>
std::size_t survive_mutations(const Record& record, std::mt19937& random) {
  const std::string sound = encode(record);
  std::size_t refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = sound;
    for (std::size_t i = 0; i < 1 + random() % 4; ++i)
      bytes[4 + random() % (bytes.size() - 4)] = static_cast<char>(random());
    const std::uint32_t crc = crc32c(view(bytes).subspan(4));
    for (unsigned i = 0; i < 4; ++i) bytes[i] = static_cast<char>(crc >> (8 * i));
    try {
      Record back;
      decode(view(bytes), back);
      encode(back);
    } catch (const CorruptValue&) {
      ++refused;
    }
  }
  return refused;
}

}  // namespace

TEST_CASE("CRC-32C gives the numbers of RFC 3720") {
  const std::string digits = "123456789";
  CHECK(crc32c(view(digits)) == 0xE3069283);
  const std::vector<std::uint8_t> zeros(32, 0), ones(32, 0xFF);
  CHECK(crc32c(zeros) == 0x8A9136AA);
  CHECK(crc32c(ones) == 0x62A8AB43);
}

TEST_CASE("records come back as they went in") {
  check_round_trip(MetaRecord{1, 20, 30});
  check_round_trip(AccountRecord{5, "a@example.org", 9});
  check_round_trip(KeyRecord{5, 9, 1000, hash(7)});
  check_round_trip(sample_watch());
  check_round_trip(WatchRecord{});
  check_round_trip(sample_endpoint());
  check_round_trip(EndpointRecord{});
  check_round_trip(sample_address());
  check_round_trip(CertificateRecord{der(1, 5000), 3, -1});
  check_round_trip(sample_history());

  EndpointRecord e;
  const std::string bytes = encode(sample_endpoint());
  decode(view(bytes), e);
  CHECK(e.host == "h7.example.org");
  CHECK(e.starttls == Starttls::postgres);
  CHECK(e.problem == ScanState::incomplete_chain);
  CHECK(e.expectation_open);
  CHECK(e.renewal_due_utc == 1'703'000'000);
  AddressRecord a;
  const std::string address = encode(sample_address());
  decode(view(address), a);
  CHECK(a.chain == sample_address().chain);
  CHECK(a.group == "x25519");
  CHECK(a.last_certificate_utc == 4);
}

TEST_CASE("every flipped bit and every cut is noticed") {
  check_every_bit(KeyRecord{5, 9, 1000, hash(7)});
  check_every_bit(sample_watch());
  check_every_bit(sample_endpoint());
  check_every_bit(sample_address());
  check_every_bit(sample_history());
}

TEST_CASE("numbers without a meaning are refused") {
  auto endpoint = sample_endpoint();
  endpoint.problem = static_cast<ScanState>(200);
  EndpointRecord e;
  const std::string odd_state = encode(endpoint);
  CHECK_THROWS_AS(decode(view(odd_state), e), CorruptValue);
  endpoint = sample_endpoint();
  endpoint.starttls = static_cast<Starttls>(99);
  const std::string odd_protocol = encode(endpoint);
  CHECK_THROWS_AS(decode(view(odd_protocol), e), CorruptValue);
  auto change = sample_history();
  change.kind = static_cast<ChangeKind>(0);
  HistoryRecord h;
  const std::string odd_kind = encode(change);
  CHECK_THROWS_AS(decode(view(odd_kind), h), CorruptValue);
}

TEST_CASE("no bytes behind a right checksum crash the decoder") {
  std::mt19937 random(5);
  CHECK(survive_mutations(sample_endpoint(), random) > 100);
  CHECK(survive_mutations(sample_address(), random) > 100);
  CHECK(survive_mutations(sample_history(), random) > 100);
  CHECK(survive_mutations(CertificateRecord{der(1), 1, 1}, random) > 100);
}

TEST_CASE("keys sort as their parts do") {
  const auto less = [](const Key& a, const Key& b) {
    return std::ranges::lexicographical_compare(a.view(), b.view());
  };
  CHECK(less(due_key({-5, 9}), due_key({3, 1})));
  CHECK(less(due_key({3, 1}), due_key({3, 2})));
  CHECK(less(due_key({255, 1}), due_key({256, 1})));
  CHECK(less(watch_key(1, "zz"), watch_key(2, "aa")));
  CHECK(less(watch_key(255, "a"), watch_key(256, "a")));
  const auto back = parse_due_key(due_key({-5, 9}).view());
  CHECK(back == DueEntry{-5, 9});
  const auto h = parse_history_key(history_key(1, IpAddress::v4(7), -3, 4).view());
  CHECK(h.at_utc == -3);
  CHECK(h.sequence == 4);
  CHECK(h.address == IpAddress::v4(7));
  CHECK_THROWS_AS(parse_due_key(account_key(1).view()), CorruptValue);
  CHECK_THROWS_AS(email_key(std::string(512, 'a')), StoreFailure);
}

TEST_CASE("a value counts under its own key only") {
  const Key here = account_key(1), there = account_key(3);  // one bit apart
  const std::string value = bind(encode(sample_watch()), here.view());
  WatchRecord back;
  decode({view(value), here.view()}, back);
  CHECK(same(back, sample_watch()));
  CHECK_THROWS_AS(decode({view(value), there.view()}, back), CorruptValue);
  const std::string index = bind({}, here.view());
  CHECK_NOTHROW(check_index({view(index), here.view()}));
  CHECK_THROWS_AS(check_index({view(index), there.view()}), CorruptValue);
  CHECK_THROWS_AS(check_index({view(value), here.view()}), CorruptValue);
}
