#pragma once
// A service fixture with working alarms: it does what the notifier would do at a moment, and shows
// the messages that are then on their way.

#include <algorithm>
#include <map>

#include "daemon/notices/incidents.hpp"
#include "daemon/notices/message_json.hpp"
#include "tests/unit/daemon/service/service_fixture.hpp"

namespace certline::notices {

using namespace runtime;
using namespace scans;
using namespace service;

inline ChannelConfig hook(const std::string& name, const std::string& account = "") {
  ChannelConfig out;
  out.name = name;
  out.account = account;
  out.url = "http://127.0.0.1:9/";
  return out;
}

inline Config told_config(std::vector<ChannelConfig> channels = {hook("ops")}) {
  Config config;
  config.scanner.special_names = true;
  config.channels = std::move(channels);
  return config;
}

struct Sent {
  std::string channel, to;
  Message message;
};

struct AlertFixture : ServiceFixture {
  explicit AlertFixture(Config config = told_config()) : ServiceFixture(std::move(config)) {}

  Entropy entropy() { return parts->entropy; }

  void write(const std::function<void(store::WriteView&)>& apply) {
    REQUIRE(store->write(apply) == store::CommitOutcome::committed);
  }

  // What has come due is done, as the notifier would.
  void ring() {
    write([&](store::WriteView& view) {
      for (const Alarm& alarm : view.alarms.until(time).first(10'000)) {
        if (alarm.kind == AlarmKind::deliver) continue;
        view.alarms.clear(alarm);
        const Config& config = settings->config;
        if (alarm.kind == AlarmKind::tell) {
          gather(view, config, entropy(), number_of(alarm), time);
        } else if (alarm.kind == AlarmKind::silence) {
          check_silence(view, config, alarm, time);
        } else if (alarm.kind == AlarmKind::digest) {
          tell_digest(view, config, entropy(), number_of(alarm), time);
        }
      }
    });
  }

  // Everything on its way is delivered.
  std::vector<Sent> take() {
    std::vector<Sent> out;
    write([&](store::WriteView& view) {
      out.clear();
      for (const DeliveryRecord& record : view.deliveries.all(0).first(10'000)) {
        const auto message = parse_message(record.message);
        if (!message) throw std::runtime_error("not a message: " + record.message);
        out.push_back({record.channel, record.to, *message});
        view.alarms.clear({record.next_utc, AlarmKind::deliver, alarm_about(record.id)});
        view.deliveries.remove(record.id);
      }
    });
    return out;
  }

  // What is told when the gathering time has passed.
  std::vector<Sent> told() {
    time += settings->config.notify.gather_s;
    ring();
    return take();
  }

  std::size_t incidents(AccountId account = kOperatorAccount) {
    return store->read().incidents.of(account).first(100'000).size();
  }

  void add(const std::string& host, const std::string& key = kKey, const std::string& more = "") {
    INFO(host);
    REQUIRE(code("command add domain " + host + " apikey " + key + more) == 200);
  }

  // One address that serves `leaf`, which ends so many days from the start.
  void serve(const std::string& host, const std::string& leaf, double days,
             ScanState state = ScanState::ok) {
    AddressObservation one = address("192.0.2.1", state, leaf);
    one.not_after = kStart + static_cast<UtcTime>(days * static_cast<double>(kDay));
    one.not_before = one.not_after - 90 * kDay;
    if (state != ScanState::ok) one.detail = "found wrong";
    scan(host, {one});
  }
  void fail(const std::string& host, ScanState state = ScanState::timeout) {
    scan(host, {address("192.0.2.1", state, "")});
  }
  void scan(const std::string& host, std::vector<AddressObservation> addresses) {
    observe(host, 443, Starttls::none, seen(std::move(addresses)));
  }
};

inline std::string name_of(int n) {
  return "host" + std::to_string(n) + ".example.org";
}

inline std::map<EventKind, std::size_t> kinds(const std::vector<Sent>& sent) {
  std::map<EventKind, std::size_t> out;
  for (const Sent& each : sent) ++out[each.message.event];
  return out;
}

}  // namespace certline::notices
