// The notifier with a clock that the test sets: receivers that are away, slow or refuse, and
// daemons that end halfway.
#include "daemon/notices/notifier.hpp"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <fstream>

#include "daemon/notices/incidents.hpp"
#include "daemon/notices/message_json.hpp"
#include "tests/unit/connectors/http_receiver.hpp"
#include "tests/unit/daemon/service/service_fixture.hpp"

namespace certline::notices {

using namespace runtime;
using namespace scans;
using namespace service;
namespace {

using connectors::test::http_answer;
using connectors::test::HttpReceiver;
using connectors::test::Received;

constexpr UtcTime kStart = ServiceFixture::kStart;

ChannelConfig webhook(const std::string& name, const std::string& url) {
  ChannelConfig channel;
  channel.name = name;
  channel.url = url;
  return channel;
}

Message message(int number) {
  Message m;
  m.id = "00000000-0000-4000-8000-" + std::to_string(100'000'000'000 + number);
  m.event = EventKind::test;
  m.created_utc = kStart;
  m.title = "number " + std::to_string(number);
  return m;
}

// As gather() leaves them.
void put_deliveries(ServiceFixture& fixture, const std::string& channel, int first, int last,
                    UtcTime now) {
  const auto outcome = fixture.store->write([&](store::WriteView& view) {
    for (int number = first; number <= last; ++number) {
      DeliveryRecord delivery;
      delivery.id = view.deliveries.new_id();
      delivery.channel = channel;
      delivery.message = message_json(message(number));
      delivery.created_utc = delivery.next_utc = now;
      view.deliveries.put(delivery);
      view.alarms.set({now, AlarmKind::deliver, alarm_about(delivery.id)});
    }
  });
  REQUIRE(outcome == store::CommitOutcome::committed);
}

std::vector<DeliveryRecord> deliveries(const ServiceFixture& fixture) {
  return fixture.store->read().deliveries.all(0).first(1000);
}

// Takes what is handed over, as each channel was told to.
class Takers {
 public:
  void say(const std::string& channel, HandoverOutcome outcome) {
    const std::lock_guard lock(mutex_);
    endings_[channel] = outcome;
    changed_.notify_all();
  }
  // Until it is told otherwise, or the daemon ends.
  void hold(const std::string& channel) { say(channel, HandoverOutcome::stopped); }

  Handover operator()(const std::string& channel, const Message& m,
                      const std::atomic<bool>& cancelled) {
    std::unique_lock lock(mutex_);
    ++tries_;
    changed_.notify_all();
    while (endings_[channel] == HandoverOutcome::stopped && !cancelled) {
      changed_.wait_for(lock, std::chrono::milliseconds(10));
    }
    const HandoverOutcome outcome = cancelled ? HandoverOutcome::stopped : endings_[channel];
    if (outcome == HandoverOutcome::delivered) taken_.push_back(m);
    changed_.notify_all();
    return {outcome, outcome == HandoverOutcome::delivered ? "" : "not now"};
  }
  std::vector<std::string> titles() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> out;
    for (const Message& m : taken_) out.push_back(m.title);
    return out;
  }
  std::vector<Message> taken() const {
    const std::lock_guard lock(mutex_);
    return taken_;
  }
  bool wait_taken(std::size_t count) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30),
                             [&] { return taken_.size() >= count; });
  }
  bool wait_tries(int count) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return tries_ >= count; });
  }
  int tries() const {
    const std::lock_guard lock(mutex_);
    return tries_;
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::map<std::string, HandoverOutcome> endings_;
  std::vector<Message> taken_;
  int tries_ = 0;
};

NotifierParts parts(ServiceFixture& fixture, Takers& takers) {
  auto take = [&takers](const Config&, const std::string& channel, const std::string&,
                        const Message& m, UtcTime, const std::atomic<bool>& cancelled) {
    return takers(channel, m, cancelled);
  };
  return {*fixture.parts, take};
}

std::vector<std::string> numbers(int first, int last) {
  std::vector<std::string> out;
  for (int i = first; i <= last; ++i) out.push_back("number " + std::to_string(i));
  return out;
}

Config with_channels(std::vector<ChannelConfig> channels) {
  Config config;
  config.channels = std::move(channels);
  config.notify.gather_s = 0;
  return config;
}

}  // namespace

TEST_CASE("signatures are HMAC-SHA256 over time and body") {
  // printf '1800000000.{"a":1}' | openssl dgst -sha256 -hmac k3y
  CHECK(webhook_signature("k3y", 1'800'000'000, "{\"a\":1}") ==
        "t=1800000000,v1=d2989411e026996cd9b43328a9fd0145f202ce0ac4b575e6b93d652b0fb904ff");
}

TEST_CASE("a receiver that was away for an hour gets each event once, in order, signed") {
  std::atomic<bool> away{true};
  std::vector<std::string> taken;
  std::mutex mutex;
  const HttpReceiver receiver([&](const Received& got) {
    if (away) return http_answer(503);
    const std::lock_guard lock(mutex);
    taken.push_back(got.headers.at("certline-delivery"));
    return http_answer(204);
  });
  TemporaryDirectory secrets;
  std::ofstream(secrets.path + "/secret") << "hush\n";
  ChannelConfig channel = webhook("hook", receiver.url());
  channel.secret_file = secrets.path + "/secret";
  ServiceFixture fixture(with_channels({channel}));
  Notifier notifier({*fixture.parts}, fixture.settings);

  int sent = 0;
  for (UtcTime now = kStart; now < kStart + 2 * 3600; now += 30) {
    fixture.time = now;
    if (now % 180 == 0) put_deliveries(fixture, "hook", sent, sent, now), ++sent;
    if (now == kStart + 3600) away = false;
    notifier.run_due(now);
  }
  REQUIRE(sent == 40);
  REQUIRE(taken.size() == 40);
  for (int i = 0; i < sent; ++i) CHECK(taken[static_cast<std::size_t>(i)] == message(i).id);
  CHECK(deliveries(fixture).empty());
  CHECK(fixture.store->read().alarms.until(kStart + 86'400).first(10).empty());

  const auto got = receiver.received();
  CHECK(got.size() < 40 + 30);  // it was not stormed while it was away
  for (const Received& one : got) {
    const std::string& signature = one.headers.at("certline-signature");
    const UtcTime when = std::stoll(signature.substr(2));
    CHECK(signature == webhook_signature("hush", when, one.body));
    CHECK(one.headers.at("certline-event") == "test");
    CHECK(one.headers.at("content-type") == "application/json");
  }
}

TEST_CASE("a slow channel delays nobody else") {
  ServiceFixture fixture(with_channels({}));
  Takers takers;
  takers.hold("slow");
  takers.say("fast", HandoverOutcome::delivered);
  Notifier notifier(parts(fixture, takers), fixture.settings);
  notifier.start();
  put_deliveries(fixture, "slow", 1, 3, kStart);
  put_deliveries(fixture, "fast", 11, 20, kStart);
  REQUIRE(takers.wait_taken(10));
  CHECK(takers.titles() == numbers(11, 20));
  takers.say("slow", HandoverOutcome::delivered);
  REQUIRE(takers.wait_taken(13));
  notifier.stop();
  fixture.settle();
  CHECK(deliveries(fixture).empty());
}

TEST_CASE("what is refused for good is a dead letter at once") {
  ServiceFixture fixture(with_channels({}));
  Takers takers;
  takers.say("a", HandoverOutcome::refused);
  Notifier notifier(parts(fixture, takers), fixture.settings);
  put_deliveries(fixture, "a", 1, 1, kStart);
  notifier.run_due(kStart);
  notifier.run_due(kStart + 86'400);
  CHECK(takers.tries() == 1);
  const auto dead = deliveries(fixture);
  REQUIRE(dead.size() == 1);
  CHECK(dead[0].dead);
  CHECK(dead[0].attempts == 1);
  CHECK(dead[0].last_error == "not now");
  CHECK(fixture.store->read().alarms.until(kStart + 86'400).first(10).empty());
  // A channel that the configuration doesn't have is one that never takes anything.
  Notifier real({*fixture.parts}, fixture.settings);
  put_deliveries(fixture, "nowhere", 2, 2, kStart);
  real.run_due(kStart);
  REQUIRE(deliveries(fixture).size() == 2);
  CHECK(deliveries(fixture)[1].last_error == "no channel is called \"nowhere\"");
  // Nobody keeps them for ever.
  real.run_due(kStart + 31 * 86'400);
  CHECK(deliveries(fixture).empty());
}

TEST_CASE("after a day of attempts a delivery is a dead letter") {
  ServiceFixture fixture(with_channels({}));
  Takers takers;
  takers.say("a", HandoverOutcome::put_back);
  Notifier notifier(parts(fixture, takers), fixture.settings);
  put_deliveries(fixture, "a", 1, 1, kStart);
  for (UtcTime now = kStart; now <= kStart + 25 * 3600; now += 60) notifier.run_due(now);
  CHECK(takers.tries() == 14);
  REQUIRE(deliveries(fixture).size() == 1);
  CHECK(deliveries(fixture)[0].dead);
  CHECK(deliveries(fixture)[0].attempts == 14);
}

TEST_CASE("what a restart interrupts goes on under the same id") {
  ServiceFixture fixture(with_channels({}));
  Takers takers;
  takers.say("a", HandoverOutcome::nobody);
  {
    Notifier notifier(parts(fixture, takers), fixture.settings);
    put_deliveries(fixture, "a", 1, 5, kStart);
    notifier.run_due(kStart);
  }
  CHECK(takers.tries() == 1);
  fixture.reopen();
  takers.say("a", HandoverOutcome::delivered);
  Notifier notifier(parts(fixture, takers), fixture.settings);
  notifier.run_due(kStart + 1);
  CHECK(takers.titles() == numbers(1, 5));
  CHECK(takers.taken()[0].id == message(1).id);
  CHECK(deliveries(fixture).empty());
  notifier.run_due(kStart + 86'400);
  CHECK(takers.taken().size() == 5);
}

TEST_CASE("a stop gives up what is under way, and loses nothing") {
  ServiceFixture fixture(with_channels({}));
  Takers takers;
  takers.hold("a");
  put_deliveries(fixture, "a", 1, 2, kStart);
  {
    Notifier notifier(parts(fixture, takers), fixture.settings);
    notifier.start();
    REQUIRE(takers.wait_tries(1));
  }
  fixture.settle();
  REQUIRE(deliveries(fixture).size() == 2);
  CHECK(deliveries(fixture)[0].attempts == 0);
  takers.say("a", HandoverOutcome::delivered);
  Notifier notifier(parts(fixture, takers), fixture.settings);
  notifier.run_due(kStart);
  CHECK(takers.titles() == numbers(1, 2));
}

TEST_CASE("what nobody can read is a dead letter") {
  ServiceFixture fixture(with_channels({}));
  Takers takers;
  takers.say("a", HandoverOutcome::delivered);
  REQUIRE(fixture.store->write([](store::WriteView& view) {
    DeliveryRecord delivery;
    delivery.id = view.deliveries.new_id();
    delivery.channel = "a";
    delivery.message = "{}";
    delivery.created_utc = kStart;
    view.deliveries.put(delivery);
  }) == store::CommitOutcome::committed);
  put_deliveries(fixture, "a", 1, 1, kStart);
  Notifier notifier(parts(fixture, takers), fixture.settings);
  notifier.run_due(kStart);
  CHECK(takers.titles() == numbers(1, 1));
  REQUIRE(deliveries(fixture).size() == 1);
  CHECK(deliveries(fixture)[0].dead);
}

TEST_CASE("a token is forgotten at its end") {
  ServiceFixture fixture(with_channels({}));
  Takers takers;
  const Sha256 hash = pki::sha256("token");
  REQUIRE(fixture.store->write([&](store::WriteView& view) {
    TokenRecord token;
    token.expires_utc = kStart + 10;
    view.tokens.put(hash, token);
    view.alarms.set(
        {kStart + 10, AlarmKind::forget_token, std::string(hash.begin(), hash.begin() + 16)});
  }) == store::CommitOutcome::committed);
  Notifier notifier(parts(fixture, takers), fixture.settings);
  notifier.run_due(kStart + 9);
  CHECK(fixture.store->read().tokens.find(hash).has_value());
  notifier.run_due(kStart + 10);
  CHECK_FALSE(fixture.store->read().tokens.find(hash).has_value());
  CHECK(fixture.store->read().alarms.until(kStart + 10).first(10).empty());
}

TEST_CASE("a client that falls silent is told, and that it is back") {
  ServiceFixture fixture(with_channels({webhook("a", "http://127.0.0.1:9/")}));
  Takers takers;
  takers.say("a", HandoverOutcome::delivered);
  Notifier notifier(parts(fixture, takers), fixture.settings);
  const std::string report = "command add domain www.example.org apikey " + kKey;
  const auto scan = [&] {
    fixture.observe("www.example.org", 443, Starttls::none,
                    fixture.seen({fixture.address("192.0.2.1", ScanState::ok, "leaf")}));
  };
  for (int day = 0; day < 5; ++day) {
    fixture.time = kStart + day * 86'400;
    REQUIRE(fixture.code(report) == 200);
    scan();
    notifier.run_due(fixture.time);
  }
  CHECK(takers.taken().empty());
  const auto days = [&](int from, int to) {
    for (int day = from; day <= to; ++day) {
      fixture.time = kStart + day * 86'400 + 60;
      scan();
      notifier.run_due(fixture.time);
    }
  };
  days(5, 6);
  CHECK(takers.taken().empty());
  days(7, 20);
  REQUIRE(takers.taken().size() == 1);
  CHECK(takers.taken()[0].event == EventKind::client_silent);
  REQUIRE(fixture.code(report) == 200);
  fixture.settle();
  days(20, 21);
  REQUIRE(takers.taken().size() == 2);
  CHECK(takers.taken()[1].event == EventKind::recovered);
  CHECK(takers.taken()[1].about == EventKind::client_silent);
}

TEST_CASE("another configuration counts for what is sent later") {
  const HttpReceiver receiver([](const Received&) { return http_answer(200); });
  ServiceFixture fixture(with_channels({webhook("a", "http://127.0.0.1:1/")}));
  Notifier notifier({*fixture.parts}, fixture.settings);
  put_deliveries(fixture, "a", 1, 1, kStart);
  notifier.run_due(kStart);
  CHECK(deliveries(fixture).size() == 1);
  notifier.reload(make_settings(with_channels({webhook("a", receiver.url())})));
  notifier.run_due(kStart + 60);
  CHECK(deliveries(fixture).empty());
  CHECK(receiver.received().size() == 1);
}

}  // namespace certline::notices
