// When an event is reported: the stages of a certificate that nobody renews, a scan's findings
// compared with what was reported, and how many failures it takes.
#include <catch2/catch.hpp>

#include "inventory/alerts.hpp"
#include "inventory/schedule.hpp"

using namespace certline;

namespace {

constexpr UtcTime kNow = 1'800'000'000;
constexpr EndpointId kEndpoint = 7;

Sha256 leaf(std::uint8_t n) {
  Sha256 out{};
  out.fill(n);
  return out;
}

AddressRecord address(std::uint8_t last, ScanState state, std::uint8_t shown = 0,
                      UtcTime ends = kNow + 60 * kDay) {
  AddressRecord out;
  out.address = IpAddress::v4(0xc0000200u + last);
  out.state = state;
  if (shown == 0) return out;
  out.chain = {leaf(shown)};
  out.not_after_utc = ends;
  out.not_before_utc = ends - 90 * kDay;
  return out;
}

AddressRecord good(std::uint8_t last, std::uint8_t shown, UtcTime ends = kNow + 60 * kDay) {
  return address(last, ScanState::ok, shown, ends);
}

AlertEvent begun(EventKind kind, const Subject& subject, std::uint8_t stage = 0) {
  return {kind, subject, stage, false, false};
}
AlertEvent over(EventKind kind, const Subject& subject, bool quiet = false) {
  return {kind, subject, 0, true, quiet};
}

// One endpoint and what was told of it.
struct Watched {
  AlertState state;
  EndpointRecord endpoint;
  bool outage = false;

  Watched() { endpoint.id = kEndpoint; }

  std::vector<AlertEvent> scan(const std::vector<AddressRecord>& addresses, UtcTime now = kNow) {
    endpoint.problem = ScanState::ok;
    return judge(state, endpoint, addresses, now, outage);
  }
  std::vector<AlertEvent> no_look(ScanState why, const std::vector<AddressRecord>& earlier,
                                  UtcTime now = kNow) {
    endpoint.problem = why;
    return judge(state, endpoint, earlier, now, outage);
  }
};

using Events = std::vector<AlertEvent>;
const Subject kSelf = subject_of(kEndpoint);

}  // namespace

TEST_CASE("Each kind of event has a name of its own and keeps its number") {
  std::vector<std::string_view> names;
  for (std::uint8_t n = 1; n <= kEventKindCount; ++n) {
    const auto kind = event_by_number(n);
    REQUIRE(kind);
    CHECK(static_cast<std::uint8_t>(*kind) == n);
    names.push_back(event_name(*kind));
  }
  std::sort(names.begin(), names.end());
  CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
  CHECK(event_name(EventKind::renewal_overdue) == "renewal_overdue");
  CHECK(event_name(EventKind::mail_confirmation) == "mail_confirmation");
  CHECK_FALSE(event_by_number(0));
  CHECK_FALSE(event_by_number(kEventKindCount + 1));
  CHECK(subject_of(std::uint64_t{0x0102})[31] == 2);
  CHECK(subject_of(std::uint64_t{0x0102})[30] == 1);
}

TEST_CASE("Stages of an overdue renewal") {
  struct Row {
    UtcTime lifetime;               // days
    std::vector<double> days_left;  // at which the stages begin
  };
  const std::vector<Row> rows = {
      {90, {28, 15, 7.5, 7, 3, 1}},
      {398, {28, 7, 3, 1}},  // a sixth and a twelfth of it are earlier than renewal is due
      {47, {47.0 / 3, 47.0 / 6, 47.0 / 12, 3, 1}},
      {12, {4, 2, 1}},
      {6, {3, 1, 0.5}},
      {1, {0.5, 1.0 / 6, 1.0 / 12}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.lifetime);
    const UtcTime end = kNow, begin = end - row.lifetime * kDay;
    CHECK(renewal_stage(begin, end, begin) == 0);
    std::uint8_t stage = 0;
    for (const double left : row.days_left) {
      const UtcTime moment = end - static_cast<UtcTime>(left * static_cast<double>(kDay));
      CHECK(renewal_stage(begin, end, moment - 60) == stage);
      CHECK(renewal_stage(begin, end, moment + 60) == ++stage);
    }
    CHECK(renewal_stage(begin, end, end - 1) == stage);
  }
  CHECK(renewal_stage(0, 0, kNow) == 0);
  CHECK(renewal_stage(kNow, kNow, kNow) == 0);
}

TEST_CASE("What has expired is told at once, daily for a week, then weekly") {
  CHECK(expired_stage(kNow, kNow - 1) == 0);
  std::vector<UtcTime> days;
  std::uint8_t last = 0;
  for (UtcTime hour = 0; hour < 60 * 24; ++hour) {
    const std::uint8_t stage = expired_stage(kNow, kNow + hour * kHour);
    if (stage != last) days.push_back(hour / 24);
    last = stage;
  }
  CHECK(days == std::vector<UtcTime>{0, 1, 2, 3, 4, 5, 6, 7, 14, 21, 28, 35, 42, 49, 56});
  CHECK(expired_stage(0, kNow) == 0);
  CHECK(expired_stage(kNow, kNow + 40'000 * kDay) == 255);
}

TEST_CASE("A healthy scan tells nothing and changes nothing after the first") {
  Watched w;
  CHECK(w.scan({good(1, 1), good(2, 1)}).empty());
  const AlertState after_first = w.state;
  CHECK(w.scan({good(1, 1), good(2, 1)}, kNow + kDay).empty());
  CHECK(w.state == after_first);
}

TEST_CASE("A first scan that finds trouble tells it") {
  Watched w;
  CHECK(w.scan({good(1, 1, kNow + kDay / 2)}) ==
        Events{begun(EventKind::renewal_overdue, leaf(1), 6)});
  Watched expired;
  CHECK(expired.scan({address(1, ScanState::expired, 1, kNow - 3 * kDay)}) ==
        Events{begun(EventKind::expired, leaf(1), 4)});
  Watched wrong;
  CHECK(wrong.scan({address(1, ScanState::wrong_host, 1)}) ==
        Events{begun(EventKind::verdict, leaf(1), 12)});
}

TEST_CASE("A renewal ends what was told of the certificate before it, and is itself told") {
  Watched w;
  w.scan({good(1, 1, kNow + 10 * kDay)});
  CHECK(w.state.renewal_stage == 2);
  // One of two addresses has it: the other one is what counts.
  CHECK(w.scan({good(1, 2, kNow + 90 * kDay), good(2, 1, kNow + 10 * kDay)}).empty());
  CHECK(w.scan({good(1, 2, kNow + 90 * kDay), good(2, 2, kNow + 90 * kDay)}) ==
        Events{over(EventKind::renewal_overdue, leaf(1), true),
               over(EventKind::renewed, leaf(1), true), begun(EventKind::renewed, leaf(2))});
  CHECK(w.state.renewal_stage == 0);
}

TEST_CASE("A certificate that ends no later is no renewal, but one to judge anew") {
  Watched w;
  w.scan({good(1, 1, kNow + 10 * kDay)});
  CHECK(w.scan({good(1, 2, kNow + 10 * kDay)}) ==
        Events{over(EventKind::renewal_overdue, leaf(1)), over(EventKind::renewed, leaf(1), true),
               begun(EventKind::renewal_overdue, leaf(2), 2)});
}

TEST_CASE("What may still be served by a silent address is not taken for gone") {
  Watched w;
  w.scan({good(1, 1, kNow + 10 * kDay), good(2, 2)});
  const AlertState before = w.state;
  const std::vector<AddressRecord> half = {address(1, ScanState::timeout), good(2, 2)};
  CHECK(w.scan(half).empty());
  CHECK(w.scan(half).empty());
  CHECK(w.state.leaf == before.leaf);
  SECTION("it is back") {
    CHECK(w.scan({good(1, 1, kNow + 10 * kDay), good(2, 2)}).empty());
    CHECK(w.state.network_failures == 0);
  }
  SECTION("it stays away: that is told, and the others count") {
    CHECK(w.scan(half) == Events{begun(EventKind::address_down, kSelf)});
    CHECK(w.scan(half) == Events{over(EventKind::renewal_overdue, leaf(1), true),
                                 over(EventKind::renewed, leaf(1), true),
                                 begun(EventKind::renewed, leaf(2))});
  }
}

TEST_CASE("A load balancer that shows the old certificate now and then") {
  Watched w;
  w.scan({good(1, 1, kNow + 40 * kDay)});
  REQUIRE(w.scan({good(1, 2, kNow + 90 * kDay)}).size() == 2);
  for (int round = 0; round < 10; ++round) {
    CHECK(w.scan({good(1, 1, kNow + 40 * kDay)}).empty());
    CHECK(w.scan({good(1, 2, kNow + 90 * kDay)}).empty());
  }
  // Rolled back for good.
  CHECK(w.scan({good(1, 1, kNow + 40 * kDay)}).empty());
  CHECK(w.scan({good(1, 1, kNow + 40 * kDay)}).empty());
  CHECK(w.scan({good(1, 1, kNow + 40 * kDay)}) == Events{over(EventKind::renewed, leaf(2), true)});
  CHECK(w.state.leaf == leaf(1));
  CHECK(w.scan({good(1, 2, kNow + 90 * kDay)}) == Events{over(EventKind::renewed, leaf(1), true)});
}

TEST_CASE("Verdicts: the worst address, at once, each trouble by itself") {
  Watched w;
  w.scan({good(1, 1)});
  CHECK(w.scan({good(1, 1), address(2, ScanState::incomplete_chain, 1)}) ==
        Events{begun(EventKind::verdict, leaf(1), 15)});
  CHECK(w.scan({address(1, ScanState::wrong_host, 1), address(2, ScanState::incomplete_chain, 1)})
            .empty());
  CHECK(w.scan({address(1, ScanState::wrong_host, 1), good(2, 1)}) ==
        Events{over(EventKind::verdict, leaf(1), true), begun(EventKind::verdict, leaf(1), 12)});
  SECTION("not over while the address that had it is silent") {
    CHECK(w.scan({address(1, ScanState::refused), good(2, 1)}).empty());
    CHECK(w.scan({address(1, ScanState::refused), address(2, ScanState::refused)}).empty());
  }
  SECTION("over when all are fine") {
    CHECK(w.scan({good(1, 1), good(2, 1)}) == Events{over(EventKind::verdict, leaf(1))});
    CHECK(w.state.verdict == ScanState::ok);
  }
  SECTION("a new certificate with the same fault is told anew") {
    CHECK(w.scan({address(1, ScanState::wrong_host, 2), good(2, 1)}) ==
          Events{over(EventKind::verdict, leaf(1), true), begun(EventKind::verdict, leaf(2), 12)});
  }
}

TEST_CASE("An expired intermediate is a verdict, an expired leaf is not") {
  Watched w;
  CHECK(w.scan({address(1, ScanState::expired, 1, kNow + 60 * kDay)}) ==
        Events{begun(EventKind::verdict, leaf(1), 10)});
  Watched own;
  CHECK(own.scan({address(1, ScanState::expired, 1, kNow - 1)}) ==
        Events{begun(EventKind::expired, leaf(1), 1)});
}

TEST_CASE("Addresses that disagree are told after three scans in a row") {
  Watched w;
  const std::vector<AddressRecord> apart = {good(1, 1), good(2, 2, kNow + 80 * kDay)};
  CHECK(w.scan(apart).empty());
  CHECK(w.scan(apart).empty());
  CHECK(w.scan({good(1, 1), good(2, 1)}).empty());
  CHECK(w.scan(apart).empty());
  CHECK(w.scan(apart).empty());
  CHECK(w.scan(apart) == Events{begun(EventKind::addresses_disagree, kSelf)});
  CHECK(w.scan(apart).empty());
  CHECK(w.scan({address(1, ScanState::timeout), good(2, 2, kNow + 80 * kDay)}).empty());
  CHECK(w.scan({good(1, 1), good(2, 1)}) == Events{over(EventKind::addresses_disagree, kSelf)});
}

TEST_CASE("Reachability is a matter of quorum and of three failed scans") {
  const AddressRecord down = address(1, ScanState::timeout);
  const AddressRecord refused = address(2, ScanState::refused);
  struct Row {
    std::vector<AddressRecord> addresses;
    EventKind told;
    std::size_t down, of;
  };
  AddressRecord asks = address(3, ScanState::client_certificate_required);
  const std::vector<Row> rows = {
      {{down}, EventKind::unreachable, 1, 1},
      {{down, refused, good(3, 1)}, EventKind::unreachable, 2, 3},
      {{down, good(2, 1)}, EventKind::address_down, 1, 2},
      {{down, asks}, EventKind::address_down, 1, 2},
      {{down, address(2, ScanState::policy)}, EventKind::unreachable, 1, 1},
      {{address(1, ScanState::not_tls)}, EventKind::unreachable, 1, 1},
      {{address(1, ScanState::starttls_refused)}, EventKind::unreachable, 1, 1},
      {{address(1, ScanState::policy)}, EventKind::could_not_check, 0, 0},
      {{asks}, EventKind::test, 0, 1},
  };
  for (const Row& row : rows) {
    Watched w;
    const NetworkTrouble trouble = network_trouble(w.endpoint, row.addresses);
    CHECK(trouble.kind == row.told);
    CHECK(trouble.down == row.down);
    CHECK(trouble.of == row.of);
    CHECK(w.scan(row.addresses).empty());
    CHECK(w.scan(row.addresses).empty());
    const auto third = w.scan(row.addresses);
    if (row.told == EventKind::test) {
      CHECK(third.empty());
      continue;
    }
    REQUIRE(third.size() == 1);
    CHECK(third[0].kind == row.told);
    CHECK(third[0].subject == kSelf);
    CHECK(standing(w.state, kEndpoint) == third);
    CHECK(w.scan(row.addresses).empty());
    CHECK(w.scan({good(1, 1), good(2, 1)}) == Events{over(row.told, kSelf)});
  }
}

TEST_CASE("One trouble of the way follows another") {
  Watched w;
  const std::vector<AddressRecord> half = {good(1, 1), address(2, ScanState::timeout)};
  const std::vector<AddressRecord> none = {address(1, ScanState::timeout),
                                           address(2, ScanState::timeout)};
  for (int i = 0; i < 2; ++i) CHECK(w.scan(half).empty());
  CHECK(w.scan(half) == Events{begun(EventKind::address_down, kSelf)});
  CHECK(w.scan(none).empty());
  CHECK(w.scan(half).empty());  // flapped: counted from the start
  CHECK(w.scan(none).empty());
  CHECK(w.scan(none).empty());
  CHECK(w.scan(none) ==
        Events{over(EventKind::address_down, kSelf, true), begun(EventKind::unreachable, kSelf)});
  for (int i = 0; i < 2; ++i) CHECK(w.no_look(ScanState::dns_error, none).empty());
  CHECK(w.no_look(ScanState::no_address, none) ==
        Events{over(EventKind::unreachable, kSelf, true),
               begun(EventKind::could_not_check, kSelf,
                     static_cast<std::uint8_t>(ScanState::no_address))});
  CHECK(w.no_look(ScanState::dns_error, none).empty());
  CHECK(w.scan({good(1, 1), good(2, 1)}) == Events{over(EventKind::could_not_check, kSelf)});
}

TEST_CASE("An outage begins no trouble of the way and counts nothing") {
  Watched w;
  w.scan({good(1, 1)});
  w.outage = true;
  const AlertState before = w.state;
  for (int i = 0; i < 5; ++i) CHECK(w.scan({address(1, ScanState::unreachable)}).empty());
  for (int i = 0; i < 5; ++i) CHECK(w.no_look(ScanState::dns_error, {good(1, 1)}).empty());
  CHECK(w.state == before);
  // What certificates say counts all the same.
  CHECK(w.scan({address(1, ScanState::revoked, 1)}) ==
        Events{begun(EventKind::verdict, leaf(1), 18)});
}

TEST_CASE("While servers are reloaded after an announcement nothing of the way is counted") {
  Watched w;
  w.scan({good(1, 1)});
  w.endpoint.expectation_open = true;
  for (std::uint16_t step = 0; step < 4; ++step) {
    w.endpoint.expectation_step = step;
    CHECK(w.scan({address(1, ScanState::refused)}).empty());
  }
  CHECK(w.state.network_failures == 0);
  w.endpoint.expectation_step = 4;
  CHECK(w.scan({address(1, ScanState::refused)}).empty());
  CHECK(w.state.network_failures == 1);
}

TEST_CASE("A certificate that no scan sees any more is judged by its dates") {
  Watched w;
  w.scan({good(1, 1, kNow + 40 * kDay)});
  const std::vector<AddressRecord> stale = {good(1, 1, kNow + 40 * kDay)};
  std::vector<std::pair<EventKind, std::uint8_t>> told;
  for (UtcTime now = kNow; now < kNow + 60 * kDay; now += 6 * kHour) {
    const bool dns = (now / kDay) % 2 == 0;
    const Events events = dns ? w.no_look(ScanState::no_address, stale, now)
                              : w.scan({address(1, ScanState::timeout)}, now);
    for (const AlertEvent& event : events) {
      if (!event.over && !is_network_shaped(event.kind)) {
        told.emplace_back(event.kind, event.stage);
      }
    }
  }
  std::vector<std::pair<EventKind, std::uint8_t>> expected;
  for (std::uint8_t stage = 1; stage <= 6; ++stage) {
    expected.emplace_back(EventKind::renewal_overdue, stage);
  }
  for (std::uint8_t stage = 1; stage <= 9; ++stage) {
    expected.emplace_back(EventKind::expired, stage);
  }
  CHECK(told == expected);
}

TEST_CASE("A clock that was wrong for a while") {
  Watched w;
  w.scan({good(1, 1)});
  CHECK(w.scan({good(1, 1)}, kNow + 3650 * kDay).size() == 1);
  CHECK(w.scan({good(1, 1)}) == Events{over(EventKind::expired, leaf(1))});
  CHECK(w.state.expired_stage == 0);
}
