// Values: every field survives, every damaged bit is noticed, and no bytes crash the decoder.
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
Record returned(const Record& record) {
  const std::string bytes = encode(record);
  Record back;
  decode(view(bytes), back);
  return back;
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
  check_round_trip(MetaRecord{1, 20, 30, 40, 50, hash(9)});
  check_round_trip(plain_account(5, "a@example.org"));
  check_round_trip(plain_key(5));
  check_round_trip(sample_watch());
  check_round_trip(WatchRecord{});
  check_round_trip(sample_endpoint());
  check_round_trip(EndpointRecord{});
  check_round_trip(sample_address());
  check_round_trip(CertificateRecord{der(1, 5000), 3, -1});
  check_round_trip(sample_history());
  check_round_trip(sample_account());
  check_round_trip(sample_key());
  check_round_trip(CountRecord{7});
  check_round_trip(sample_token());
  check_round_trip(TokenRecord{});
  check_round_trip(sample_audit());
  check_round_trip(AuditRecord{});
  check_round_trip(sample_alert_state());
  check_round_trip(AlertState{});
  check_round_trip(sample_incident());
  check_round_trip(IncidentRecord{});
  check_round_trip(sample_delivery());
  check_round_trip(DeliveryRecord{});

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

TEST_CASE("every field of the later records survives") {
  const auto account = returned(sample_account());
  CHECK(account.claimed_email == "c2@example.org");
  CHECK(account.verified_utc == 2);
  CHECK(account.blocked_utc == 3);
  CHECK(account.no_further_keys);
  CHECK(account.names_per_key == 1000);
  CHECK(account.mail_off);
  CHECK(account.digest == Digest::weekly);
  CHECK(account.digest_utc == 4);
  CHECK(account.mailed_utc == 5);
  CHECK_FALSE(returned(plain_account(1, "")).digest);
  auto off = sample_account();
  off.digest = Digest::off;
  CHECK(returned(off).digest == Digest::off);
  const auto key = returned(sample_key());
  CHECK(key.state == KeyState::blocked);
  CHECK(key.confirmed_utc == 2);
  CHECK(key.source == IpAddress::v4(0xC0000207));
  CHECK(key.last_seen_utc == 3);
  CHECK(key.reports == 4);
  CHECK(key.usual_gap_s == 86'400);
  CHECK(key.silence_told);
  const auto watch = returned(sample_watch());
  CHECK((watch.expected_told && watch.resting));
  CHECK(watch.trial_until_utc == 1'700'086'400);
  CHECK(returned(sample_endpoint()).resting == 1);
  CHECK(returned(sample_alert_state()) == sample_alert_state());
  CHECK(returned(AlertState{}) == AlertState{});
  CHECK(returned(sample_incident()).hosts == sample_incident().hosts);
  CHECK(returned(sample_incident()).more_hosts == 3);
  const auto token = returned(sample_token());
  CHECK(token.purpose == TokenPurpose::block_keys);
  CHECK(token.key == sample_token().key);
  CHECK(token.expires_utc == 1 + kTokenLifetime);
  CHECK(token.digest == hash(8));
  const auto audit = returned(sample_audit());
  CHECK(audit.actor + audit.action + audit.subject ==
        "uid 0"
        "refused-claim"
        "a@example.org");
  CHECK(audit.source == IpAddress::v4(0xC0000201));
  const auto delivery = returned(sample_delivery());
  CHECK(delivery.message == sample_delivery().message);
  CHECK((delivery.attempts == 2 && delivery.next_utc == 3 && delivery.dead));
  CHECK(delivery.last_error == "421 try again later");
  CHECK(returned(MetaRecord{3, 1, 1, 5, 6, hash(1)}).secret == hash(1));
}

TEST_CASE("every flipped bit and every cut is noticed") {
  check_every_bit(sample_key());
  check_every_bit(sample_watch());
  check_every_bit(sample_endpoint());
  check_every_bit(sample_address());
  check_every_bit(sample_history());
  check_every_bit(sample_account());
  check_every_bit(sample_token());
  check_every_bit(sample_audit());
  check_every_bit(sample_alert_state());
  check_every_bit(sample_incident());
  check_every_bit(sample_delivery());
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

TEST_CASE("numbers of the later records without a meaning are refused") {
  KeyRecord key;
  key.state = static_cast<KeyState>(3);
  CHECK_THROWS_AS(returned(key), CorruptValue);
  AccountRecord account;
  account.digest = static_cast<Digest>(3);
  CHECK_THROWS_AS(returned(account), CorruptValue);
  for (const int odd : {0, 6}) {
    TokenRecord token;
    token.purpose = static_cast<TokenPurpose>(odd);
    CHECK_THROWS_AS(returned(token), CorruptValue);
    CHECK_THROWS_AS(parse_alarm_key(alarm_key({1, static_cast<AlarmKind>(odd), "x"}).view()),
                    CorruptValue);
  }
  for (const int odd : {0, 17}) {
    AlertState state;
    state.network_told = static_cast<EventKind>(odd);
    CHECK_THROWS_AS(returned(state), CorruptValue);
    IncidentKey incident;
    incident.event = static_cast<EventKind>(odd);
    CHECK_THROWS_AS(parse_incident_key(incident_key(incident).view()), CorruptValue);
  }
  AlertState state;
  state.verdict = static_cast<ScanState>(200);
  CHECK_THROWS_AS(returned(state), CorruptValue);
}

TEST_CASE("no bytes behind a right checksum crash the decoder") {
  std::mt19937 random(5);
  CHECK(survive_mutations(sample_endpoint(), random) > 100);
  CHECK(survive_mutations(sample_address(), random) > 100);
  CHECK(survive_mutations(sample_history(), random) > 100);
  CHECK(survive_mutations(CertificateRecord{der(1), 1, 1}, random) > 100);
  CHECK(survive_mutations(sample_token(), random) > 100);
  CHECK(survive_mutations(sample_audit(), random) > 100);
  CHECK(survive_mutations(sample_alert_state(), random) > 100);
  CHECK(survive_mutations(sample_incident(), random) > 100);
  CHECK(survive_mutations(sample_delivery(), random) > 100);
}

TEST_CASE("keys sort as their parts do") {
  const auto less = [](const RowKey& a, const RowKey& b) {
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

TEST_CASE("keys of the later tables come apart into what they were made of") {
  const auto less = [](const RowKey& a, const RowKey& b) {
    return std::ranges::lexicographical_compare(a.view(), b.view());
  };
  const IncidentKey incident{9, EventKind::test, hash(3), 200};
  CHECK(parse_incident_key(incident_key(incident).view()) == incident);
  const Alarm alarm{-4, AlarmKind::silence, std::string("\0\xFF", 2)};
  CHECK(parse_alarm_key(alarm_key(alarm).view()) == alarm);
  CHECK(less(alarm_key({-1, AlarmKind::digest, "z"}), alarm_key({0, AlarmKind::tell, ""})));
  CHECK(less(alarm_key({1, AlarmKind::tell, alarm_about(255)}),
             alarm_key({1, AlarmKind::tell, alarm_about(256)})));
  const RowKey claimed = claim_key("a@example.org", 256);
  const auto claim = parse_claim_key(claimed.view());
  CHECK((claim.email == "a@example.org" && claim.account == 256));
  CHECK_THROWS_AS(parse_claim_key(email_key("a@example.org").view()), CorruptValue);
  CHECK_THROWS_AS(parse_claim_key(claim_key("", 1).view()), CorruptValue);
  const auto owned = parse_account_keys_key(account_keys_key(3, half_of(hash(4))).view());
  CHECK((owned.account == 3 && owned.tag == half_of(hash(4))));
  const auto newcomer = parse_newcomer_key(newcomer_key(20'000, IpAddress::v4(7)).view());
  CHECK((newcomer.day == 20'000 && newcomer.source == IpAddress::v4(7)));
  CHECK_THROWS_AS(parse_tag_key(number_key(4).view()), CorruptValue);
  CHECK_THROWS_AS(parse_number_key(tag_key({}).view()), CorruptValue);
}

TEST_CASE("a value counts under its own key only") {
  const RowKey here = account_key(1), there = account_key(3);  // one bit apart
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
