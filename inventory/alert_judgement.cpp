// Turns a scan's findings into events. A certificate's facts are compared with what was last
// reported. Network trouble is reported only after several failures in a row. A silent address may
// still serve its old certificate, so that does not count as gone: else each short failure would
// end one trouble and begin another. Next: daemon/notices/incidents.cpp.
#include <algorithm>

#include "inventory/alerts.hpp"

namespace certline {
namespace {

// So soon after a leaf was announced (two minutes) servers are being reloaded, and scans follow
// each other within seconds: their failures are no news.
constexpr std::uint16_t kHastyScans = 4;

bool answers(const AddressRecord& address) {
  return !address.chain.empty() || address.state == ScanState::ok ||
         address.state == ScanState::client_certificate_required ||
         address.state == ScanState::pending;
}

bool no_look(ScanState problem) {
  return problem == ScanState::dns_error || problem == ScanState::no_address;
}

std::uint8_t network_stage(EventKind kind, ScanState why) {
  return kind == EventKind::could_not_check ? static_cast<std::uint8_t>(why) : std::uint8_t{0};
}

void count_up(std::uint8_t& counter) {
  if (counter < kFailuresBeforeAlert) ++counter;
}

class Judge {
 public:
  Judge(AlertState& state, const EndpointRecord& endpoint, std::span<const AddressRecord> addresses,
        UtcTime now)
      : state_(state),
        subject_(subject_of(endpoint.id)),
        trouble_(network_trouble(endpoint, addresses)),
        now_(now),
        partial_(trouble_.down > 0 && state.network_told == EventKind::test),
        hasty_(endpoint.expectation_open && endpoint.expectation_step < kHastyScans) {
    // Rows of an earlier scan say nothing new, but are better than nothing.
    if (!no_look(endpoint.problem) || !state.leaf) collect(addresses);
  }

  std::vector<AlertEvent> run(bool outage) {
    settle_leaf();
    if (state_.leaf) judge_dates();
    if (!seen_.empty()) {
      judge_verdict();
      judge_agreement();
    }
    judge_network(outage);
    return std::move(events_);
  }

 private:
  void collect(std::span<const AddressRecord> addresses) {
    for (const AddressRecord& address : addresses) {
      if (!address.chain.empty()) seen_.push_back(&address);
    }
  }

  void begin(EventKind kind, const Subject& subject, std::uint8_t stage = 0) {
    events_.push_back({kind, subject, stage, false, false});
  }
  void end(EventKind kind, const Subject& subject, bool quiet) {
    events_.push_back({kind, subject, 0, true, quiet});
  }

  // The certificate that ends first; one without a readable end only where there is no other.
  const AddressRecord* first_to_end() const {
    const auto first =
        std::min_element(seen_.begin(), seen_.end(), [](const auto* a, const auto* b) {
          return std::pair(a->not_after_utc == 0, a->not_after_utc) <
                 std::pair(b->not_after_utc == 0, b->not_after_utc);
        });
    return first == seen_.end() ? nullptr : *first;
  }

  bool is_seen(const Sha256& leaf) const {
    return std::any_of(seen_.begin(), seen_.end(),
                       [&](const auto* address) { return address->chain.front() == leaf; });
  }

  void settle_leaf() {
    const AddressRecord* const first = first_to_end();
    if (!first) return;
    const Sha256& leaf = first->chain.front();
    if (!state_.leaf) return take_leaf(*first);
    if (*state_.leaf == leaf) {
      state_.reverts = 0;
      return;
    }
    const bool still_there = is_seen(*state_.leaf);
    const bool later = first->not_after_utc > state_.not_after_utc;
    const bool again = state_.earlier == leaf;
    const bool worse = first->not_after_utc < state_.not_after_utc;
    if ((still_there || partial_) && !worse) return;
    if (again && !later) {
      // Behind a load balancer the old one may show up now and then.
      count_up(state_.reverts);
      if (state_.reverts < kFailuresBeforeAlert) return;
    }
    replace_leaf(*first, later && !still_there && !again, still_there);
  }

  void replace_leaf(const AddressRecord& by, bool renewed, bool still_there) {
    const Sha256 old = *state_.leaf;
    const bool quiet = renewed || still_there;
    if (state_.renewal_stage != 0) end(EventKind::renewal_overdue, old, quiet);
    if (state_.expired_stage != 0) end(EventKind::expired, old, quiet);
    end(EventKind::renewed, old, true);
    state_.earlier = old;
    take_leaf(by);
    if (renewed) begin(EventKind::renewed, *state_.leaf);
  }

  void take_leaf(const AddressRecord& from) {
    state_.leaf = from.chain.front();
    state_.not_before_utc = from.not_before_utc;
    state_.not_after_utc = from.not_after_utc;
    state_.renewal_stage = state_.expired_stage = state_.reverts = 0;
  }

  // A stage below the one told: the clock was wrong, then or now.
  void judge_dates() {
    const Sha256& leaf = *state_.leaf;
    const std::uint8_t expired = expired_stage(state_.not_after_utc, now_);
    const std::uint8_t overdue =
        expired ? std::uint8_t{0}
                : renewal_stage(state_.not_before_utc, state_.not_after_utc, now_);
    if (state_.renewal_stage != 0 && overdue == 0) {
      end(EventKind::renewal_overdue, leaf, expired > 0);
    }
    if (state_.expired_stage != 0 && expired == 0) end(EventKind::expired, leaf, overdue > 0);
    if (overdue > state_.renewal_stage) begin(EventKind::renewal_overdue, leaf, overdue);
    if (expired > state_.expired_stage) begin(EventKind::expired, leaf, expired);
    state_.renewal_stage = overdue;
    state_.expired_stage = expired;
  }

  // What browsers object to besides the leaf's own end, which is told as expired.
  bool objectionable(const AddressRecord& address) const {
    if (!is_verdict(address.state) || address.state == ScanState::ok) return false;
    const bool own_end = address.not_after_utc != 0 && now_ >= address.not_after_utc;
    return address.state != ScanState::expired || !own_end;
  }

  const AddressRecord* worst() const {
    const AddressRecord* worst = nullptr;
    const auto rank = [&](const AddressRecord& a) {
      return std::pair(severity(a.state), a.chain.front() == state_.verdict_leaf);
    };
    for (const AddressRecord* address : seen_) {
      if (!objectionable(*address)) continue;
      if (!worst || rank(*address) > rank(*worst)) worst = address;
    }
    return worst;
  }

  void judge_verdict() {
    const AddressRecord* const found = worst();
    const ScanState state = found ? found->state : ScanState::ok;
    const Sha256 leaf = found ? found->chain.front() : Sha256{};
    if (state == state_.verdict && leaf == state_.verdict_leaf) return;
    const bool told = state_.verdict != ScanState::ok;
    if (told && partial_ && severity(state) <= severity(state_.verdict)) return;
    if (told) end(EventKind::verdict, state_.verdict_leaf, found != nullptr);
    if (found) begin(EventKind::verdict, leaf, static_cast<std::uint8_t>(state));
    state_.verdict = state;
    state_.verdict_leaf = leaf;
  }

  void judge_agreement() {
    const bool agree = std::all_of(seen_.begin(), seen_.end(), [&](const auto* address) {
      return address->chain.front() == seen_.front()->chain.front();
    });
    if (agree) {
      if (partial_) return;
      if (state_.disagreement_told) end(EventKind::addresses_disagree, subject_, false);
      state_.disagreement_told = false;
      state_.disagreements = 0;
      return;
    }
    if (hasty_) return;
    count_up(state_.disagreements);
    if (state_.disagreement_told || state_.disagreements < kFailuresBeforeAlert) return;
    state_.disagreement_told = true;
    begin(EventKind::addresses_disagree, subject_);
  }

  void judge_network(bool outage) {
    const EventKind told = state_.network_told;
    if (trouble_.kind == told) {
      state_.network_failures = 0;
      return;
    }
    if (trouble_.kind == EventKind::test) {
      end(told, subject_, false);
      state_.network_told = EventKind::test;
      state_.network_state = ScanState::ok;
      state_.network_failures = 0;
      return;
    }
    if (outage || hasty_) return;
    count_up(state_.network_failures);
    if (state_.network_failures < kFailuresBeforeAlert) return;
    if (told != EventKind::test) end(told, subject_, true);
    begin(trouble_.kind, subject_, network_stage(trouble_.kind, trouble_.state));
    state_.network_told = trouble_.kind;
    state_.network_state = trouble_.state;
    state_.network_failures = 0;
  }

  AlertState& state_;
  const Subject subject_;
  const NetworkTrouble trouble_;
  const UtcTime now_;
  const bool partial_;  // an address is silent, and that is not told (yet)
  const bool hasty_;
  std::vector<const AddressRecord*> seen_;  // with the certificates of this scan
  std::vector<AlertEvent> events_;
};

}  // namespace

NetworkTrouble network_trouble(const EndpointRecord& endpoint,
                               std::span<const AddressRecord> addresses) {
  NetworkTrouble out;
  if (no_look(endpoint.problem)) {
    out.kind = EventKind::could_not_check;
    out.state = endpoint.problem;
    return out;
  }
  for (const AddressRecord& address : addresses) {
    if (address.state == ScanState::policy) continue;
    ++out.of;
    if (!answers(address)) ++out.down;
  }
  if (out.of == 0 && !addresses.empty()) {
    out.kind = EventKind::could_not_check;
    out.state = ScanState::policy;
  } else if (out.down * 2 > out.of) {
    out.kind = EventKind::unreachable;
  } else if (out.down > 0) {
    out.kind = EventKind::address_down;
  }
  return out;
}

std::vector<AlertEvent> judge(AlertState& state, const EndpointRecord& endpoint,
                              std::span<const AddressRecord> addresses, UtcTime now, bool outage) {
  return Judge(state, endpoint, addresses, now).run(outage);
}

std::vector<AlertEvent> standing(const AlertState& state, EndpointId endpoint) {
  std::vector<AlertEvent> out;
  const auto add = [&](EventKind kind, const Subject& subject, std::uint8_t stage) {
    out.push_back({kind, subject, stage, false, false});
  };
  if (state.leaf && state.renewal_stage != 0) {
    add(EventKind::renewal_overdue, *state.leaf, state.renewal_stage);
  }
  if (state.leaf && state.expired_stage != 0) {
    add(EventKind::expired, *state.leaf, state.expired_stage);
  }
  if (state.verdict != ScanState::ok) {
    add(EventKind::verdict, state.verdict_leaf, static_cast<std::uint8_t>(state.verdict));
  }
  const Subject subject = subject_of(endpoint);
  if (state.disagreement_told) add(EventKind::addresses_disagree, subject, 0);
  if (state.network_told != EventKind::test) {
    add(state.network_told, subject, network_stage(state.network_told, state.network_state));
  }
  return out;
}

}  // namespace certline
