#pragma once
// A service over a real store in a temporary directory. The test sets its clock and entropy.

#include <catch2/catch.hpp>
#include <future>
#include <string>

#include "daemon/scans/scan_driver.hpp"
#include "daemon/service/service.hpp"
#include "pki/digest.hpp"
#include "protocol/line/parser.hpp"
#include "protocol/line/render.hpp"
#include "store/lmdb/open.hpp"
#include "tests/unit/daemon/runtime/temporary_directory.hpp"

namespace certline::service {

using namespace line;
using namespace runtime;
using namespace scans;

struct ServiceFixture {
  static constexpr UtcTime kStart = 1'800'000'000;

  TemporaryDirectory dir;
  std::atomic<UtcTime> time{kStart};
  std::atomic<std::uint64_t> counter{1};
  Log log{LogLevel::error};
  Gauges gauges;
  std::unique_ptr<store::Store> store;
  std::optional<Parts> parts;
  std::unique_ptr<Service> service;
  SettingsPtr settings;
  Caller caller{IpAddress::v4(0x7f000001), false, 0};  // who asks

  explicit ServiceFixture(Config config = {}, std::uint64_t map_size = 64u << 20)
      : settings(make_settings(std::move(config))), map_size_(map_size) {
    reopen();
  }

  // As after a restart.
  void reopen() {
    service.reset();
    store.reset();
    auto opened = store::lmdb::open({dir.path + "/store", map_size_, false});
    REQUIRE(opened.has_value());
    store = std::move(*opened);
    Entropy entropy{[this](std::uint8_t* out, std::size_t size) {
      const Sha256 block = pki::sha256(std::to_string(counter++));
      for (std::size_t i = 0; i < size; ++i) out[i] = block[i % block.size()];
    }};
    parts.emplace(Parts{*store, log, gauges, [this] { return time.load(); }, std::move(entropy)});
    service = std::make_unique<Service>(*parts, 4096);
  }

  Reply ask(std::string_view line) {
    const auto request = parse_line(line, settings->config.domain_rules());
    if (!request) return request.error();
    return ask(*request).reply;
  }

  Service::Answered ask(const Request& request) {
    std::promise<Service::Answered> promise;
    store::Store::Jobs writes;
    service->ask(request, caller, settings, time, writes,
                 [&](Service::Answered said) { promise.set_value(std::move(said)); });
    store->submit(std::move(writes));
    return promise.get_future().get();
  }

  // What was queued and is answered by nobody, such as a client's report, is written.
  void settle() {
    REQUIRE(store->write([](store::WriteView&) {}) == store::CommitOutcome::committed);
  }

  std::string line(std::string_view request) { return render_line(ask(request)); }

  int code(std::string_view request) {
    const Reply reply = ask(request);
    return reply ? 200 : line_code(reply.error().kind);
  }

  // What is known without a look into the store, as its reply; empty for nothing.
  std::string recalled(const std::string& domain, const std::string& key) {
    const auto* const known = service->remembered().recall(domain, key, *settings);
    if (known == nullptr) return "";
    return render_line(known->refused ? Reply(*known->refused) : Reply(ReplyBody{known->report}));
  }

  ExpirationReport expiration(const std::string& domain, const std::string& key) {
    const Reply reply = ask("command expiration domain " + domain + " apikey " + key);
    REQUIRE(reply.has_value());
    return std::get<ExpirationReport>(*reply);
  }

  // What the scanner would report for the endpoint of `host`, applied as its job does.
  void observe(const std::string& host, std::uint16_t port, Starttls starttls,
               const Observation& seen) {
    const Random random = [] { return std::uint64_t{1} << 63; };
    const auto outcome = store->write([&](store::WriteView& view) {
      const auto id = view.endpoints.named(host, port, starttls);
      if (!id) return;
      apply_scan(view, *id, {host, port, starttls}, seen, {settings->config, time, random});
    });
    REQUIRE(outcome == store::CommitOutcome::committed);
  }

  AddressObservation address(const std::string& text, ScanState state, const std::string& leaf) {
    AddressObservation seen;
    seen.address = IpAddress::parse(text).value();
    seen.state = state;
    seen.trusted = state == ScanState::ok;
    if (!leaf.empty()) {
      seen.chain.push_back({pki::sha256(leaf), Bytes(leaf.begin(), leaf.end())});
      seen.not_before = kStart - 10 * kDay;
      seen.not_after = kStart + 80 * kDay;
    }
    return seen;
  }

  Observation seen(std::vector<AddressObservation> addresses) {
    Observation observation;
    observation.resolution = ScanState::ok;
    observation.started_utc = observation.finished_utc = time;
    observation.addresses = std::move(addresses);
    return observation;
  }

 private:
  const std::uint64_t map_size_;
};

inline const std::string kKey = "aaaaaaaaaaaaaaaa0001";
inline const std::string kOther = "bbbbbbbbbbbbbbbb0002";

}  // namespace certline::service
