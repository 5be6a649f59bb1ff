// The records between events and messages: rows come back, in the promised order, and the alarms
// agree with a set after thousands of random changes.
#include "inventory/notices.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <random>
#include <set>

#include "tests/unit/store/engines.hpp"

using namespace certline;
using namespace certline::store;
using namespace certline::store::test;

namespace {

constexpr std::size_t kAll = 100'000;

void write(Store& store, const std::function<void(WriteView&)>& apply) {
  REQUIRE(store.write(apply) == CommitOutcome::committed);
}

Alarm random_alarm(std::mt19937& random) {
  Alarm alarm;
  alarm.at_utc = static_cast<UtcTime>(random() % 40) - 10;  // some before 1970
  alarm.kind = static_cast<AlarmKind>(1 + random() % 5);
  alarm.about = random() % 2 ? alarm_about(random() % 3 << 6)
                             : std::string(random() % 17, static_cast<char>(random() % 2 * 0xFF));
  return alarm;
}

void compare(const Store& store, const std::set<Alarm>& model) {
  const ReadView view = store.read();
  const auto all = view.alarms.until(std::numeric_limits<UtcTime>::max()).first(kAll);
  REQUIRE(all == std::vector<Alarm>(model.begin(), model.end()));
  std::vector<Alarm> until;
  for (const Alarm& alarm : model)
    if (alarm.at_utc <= 3) until.push_back(alarm);
  REQUIRE(view.alarms.until(3).first(kAll) == until);
  until.resize(std::min<std::size_t>(until.size(), 5));
  REQUIRE(view.alarms.until(3).first(5) == until);
}

}  // namespace

TEST_CASE_METHOD(OnEachEngine, "alarms are what a set says they are") {
  const Scratch scratch;
  std::set<Alarm> model;
  std::mt19937 random(7);
  {
    const auto store = open_at(scratch / "s");
    for (int job = 0; job < 80; ++job) {
      const bool grows = job / 20 % 2 == 0;
      write(*store, [&](WriteView& view) {
        for (int i = 0; i < 40; ++i) {
          const Alarm alarm = random_alarm(random);
          if (random() % 4 != 0 || !grows) {
            view.alarms.clear(alarm);
            model.erase(alarm);
          }
          if (!grows) continue;
          view.alarms.set(alarm);
          if (random() % 3 == 0) view.alarms.set(alarm);
          model.insert(alarm);
        }
      });
      compare(*store, model);
    }
    CHECK(model.size() > 50);
  }
  compare(*open_at(scratch / "s"), model);
}

TEST_CASE_METHOD(OnEachEngine, "a number in an alarm") {
  CHECK(alarm_about(0x0102030405060708) == "\x01\x02\x03\x04\x05\x06\x07\x08");
  for (const std::uint64_t n : {std::uint64_t{0}, std::uint64_t{255}, ~std::uint64_t{0}})
    CHECK(number_of({0, AlarmKind::tell, alarm_about(n)}) == n);
  CHECK(number_of({0, AlarmKind::silence, std::string(16, 'k')}) == 0);
  CHECK(number_of({0, AlarmKind::tell, ""}) == 0);
}

TEST_CASE_METHOD(OnEachEngine, "what was told of an endpoint is kept as long as the endpoint") {
  const Scratch scratch;
  const auto store = open_at(scratch / "s");
  CHECK(store->read().incidents.alerts(7) == AlertState{});
  write(*store, [](WriteView& view) {
    view.endpoints.put(sample_endpoint(7));
    view.endpoints.put(sample_endpoint(8));
    view.incidents.put_alerts(7, sample_alert_state());
    view.incidents.put_alerts(8, sample_alert_state());
  });
  CHECK(store->read().incidents.alerts(7) == sample_alert_state());
  write(*store, [](WriteView& view) { view.endpoints.remove(7); });
  CHECK(store->read().incidents.alerts(7) == AlertState{});
  CHECK(store->read().incidents.alerts(8) == sample_alert_state());
}

TEST_CASE_METHOD(OnEachEngine,
                 "an endpoint is due only while somebody who watches it doesn't rest") {
  const Scratch scratch;
  const auto store = open_at(scratch / "s");
  const auto due = [&] { return store->read().endpoints.due({}, 2'000'000'000).first(9).size(); };
  EndpointRecord endpoint = sample_endpoint(7);
  endpoint.watchers = 2;
  for (const auto& [resting, entries] :
       {std::pair{1u, 1u}, {2u, 0u}, {2u, 0u}, {0u, 1u}, {1u, 1u}, {2u, 0u}}) {
    endpoint.resting = resting;
    ++endpoint.next_scan_utc;
    write(*store, [&](WriteView& view) { view.endpoints.put(endpoint); });
    CHECK(due() == entries);
    CHECK(store->read().endpoints.find(7)->resting == resting);
  }
}

TEST_CASE_METHOD(OnEachEngine, "incidents by account, and by what they are about") {
  const Scratch scratch;
  const auto store = open_at(scratch / "s");
  IncidentKey other_subject = sample_incident_key(5, 1);
  other_subject.subject[31] ^= 1;
  IncidentKey other_event = sample_incident_key(5, 1);
  other_event.event = EventKind::expired;
  write(*store, [&](WriteView& view) {
    for (const auto& key :
         {sample_incident_key(5, 200), sample_incident_key(5, 3), sample_incident_key(5, 0)})
      view.incidents.put(key, sample_incident());
    view.incidents.put(other_subject, {});
    view.incidents.put(other_event, {});
    view.incidents.put(sample_incident_key(kOperatorAccount, 3), {});
    view.incidents.put(sample_incident_key(6, 3), {});
  });
  const auto of = store->read().incidents.about(5, EventKind::verdict, hash(4));
  REQUIRE(of.size() == 3);
  CHECK(of[0].first == sample_incident_key(5, 0));
  CHECK(of[2].first == sample_incident_key(5, 200));
  for (const auto& [key, record] : of) CHECK(same(record, sample_incident()));
  CHECK(store->read().incidents.of(5).first(kAll).size() == 5);
  CHECK(store->read().incidents.of(5).first(2).size() == 2);
  CHECK(store->read().incidents.of(kOperatorAccount).first(kAll).size() == 1);
  write(*store, [&](WriteView& view) {
    view.incidents.remove(sample_incident_key(5, 3));
    view.incidents.remove(sample_incident_key(5, 4));  // never there
    IncidentRecord many;
    for (EndpointId id = 1; id <= kHostsPerIncident; ++id)
      many.hosts.push_back({id, "host-" + std::to_string(id) + ".example.org", id % 2 == 0});
    view.incidents.put(other_event, many);
  });
  CHECK(store->read().incidents.about(5, EventKind::verdict, hash(4)).size() == 2);
  const auto many = store->read().incidents.about(5, EventKind::expired, hash(4));
  REQUIRE(many.size() == 1);
  REQUIRE(many[0].second.hosts.size() == kHostsPerIncident);
  CHECK(many[0].second.hosts[999] == IncidentHost{1000, "host-1000.example.org", true});
}

TEST_CASE_METHOD(OnEachEngine, "deliveries have numbers that are never used again") {
  const Scratch scratch;
  std::uint64_t last = 0;
  {
    const auto store = open_at(scratch / "s");
    write(*store, [&](WriteView& view) {
      for (int i = 0; i < 5; ++i) {
        DeliveryRecord record = sample_delivery(view.deliveries.new_id());
        CHECK(record.id > last);
        last = record.id;
        view.deliveries.put(record);
      }
    });
    CHECK(same(store->read().deliveries.find(last).value(), sample_delivery(last)));
    const auto page = store->read().deliveries.all(2).first(2);
    REQUIRE(page.size() == 2);
    CHECK(page[0].id == 3);
    CHECK(page[1].id == 4);
    write(*store, [&](WriteView& view) { view.deliveries.remove(last); });
    CHECK_FALSE(store->read().deliveries.find(last));
    CHECK(store->read().deliveries.all(0).first(kAll).size() == 4);
  }
  const auto store = open_at(scratch / "s");
  write(*store, [&](WriteView& view) { CHECK(view.deliveries.new_id() == last + 1); });
}
