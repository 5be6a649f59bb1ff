#pragma once
// From events to incidents, and from incidents to messages on their way. All of it runs inside a
// write transaction on the writer thread. So nothing is lost or reported twice, however the process
// ends. Each function may run again when its job is repeated.

#include <span>
#include <string>

#include "daemon/runtime/config.hpp"
#include "daemon/runtime/entropy.hpp"
#include "inventory/message.hpp"
#include "inventory/notices.hpp"
#include "store/store.hpp"

namespace certline::notices {

// Is there anywhere to send to? kOperatorAccount: a channel without account, or notify.address.
// Other accounts: their address where mail leaves at all, is not turned off, and is verified where
// that is asked for; or a channel of their own. Never a blocked account.
bool is_told(const runtime::Config& config, const store::ReadView& view, AccountId account);
// The address that mail to it goes to; empty: none.
std::string mail_address(const runtime::Config& config, const store::ReadView& view,
                         AccountId account);

// What a scan's events mean for whoever watches the endpoint, and for the operator.
void tell_scan(store::WriteView& view, const runtime::Config& config,
               const EndpointRecord& endpoint, std::span<const AlertEvent> events, UtcTime now);

// One event for one account. A trouble that is there already gains a host, silently; one whose last
// host is well again is told as recovered where it was told, and vanishes where not.
void tell_account(store::WriteView& view, const runtime::Config& config, AccountId account,
                  const AlertEvent& event, const IncidentHost& about, UtcTime now);

// A name begins to be watched, or ceases to: what is known of its endpoint begins or ends for that
// account, the end silently. To be called after put_watch(), and before remove_watch() and before
// its endpoint goes.
void adopt_watch(store::WriteView& view, const runtime::Config& config, AccountId account,
                 const std::string& canonical, const WatchRecord& watch, UtcTime now);
void release_watch(store::WriteView& view, AccountId account, const std::string& canonical,
                   const WatchRecord& watch, UtcTime now);
// The announced leaf of a watch is no longer waited for, as another one is announced. Clears
// expected_told.
void drop_expectation(store::WriteView& view, AccountId account, const std::string& canonical,
                      WatchRecord& watch, UtcTime now);
// `now` is when the watch was looked at. Tells an announced leaf that isn't served, and its end;
// true where the watch has to be stored.
bool judge_expectation(store::WriteView& view, const runtime::Config& config, AccountId account,
                       const std::string& canonical, WatchRecord& watch,
                       std::span<const AddressRecord> addresses, UtcTime now);

// Of the daemon: the operator hears of it.
void tell_outage(store::WriteView& view, const runtime::Config& config, bool outage, UtcTime now);
void tell_stalled(store::WriteView& view, const runtime::Config& config, bool stalled, UtcTime now);

// An alarm of kind silence has come: the key's account is told, or the alarm is set anew.
void check_silence(store::WriteView& view, const runtime::Config& config, const Alarm& alarm,
                   UtcTime now);
// The client of a key that was told to be silent is back. `key` as before note_report().
void end_silence(store::WriteView& view, const KeyTag& tag, const KeyRecord& key, UtcTime now);

// An alarm of kind tell has come: composes what the account's incidents say and puts one delivery
// per message and channel, with its alarm. What is younger than notify.gather_s waits for its own.
// Gives how many deliveries there are now for whom to send them.
std::size_t gather(store::WriteView& view, const runtime::Config& config,
                   const runtime::Entropy& entropy, AccountId account, UtcTime now);

// An alarm of kind digest has come: the summary, if the account wants one now, and the next alarm.
std::size_t tell_digest(store::WriteView& view, const runtime::Config& config,
                        const runtime::Entropy& entropy, AccountId account, UtcTime now);

// One message on its way to one channel, with the alarm that has it sent. `to`: the address, where
// the channel is kMailChannel.
void put_delivery(store::WriteView& view, const std::string& channel, const std::string& to,
                  const Message& message, UtcTime now);

// An account goes: nobody hears of its troubles any more, nor of their ends.
void forget_incidents(store::WriteView& view, AccountId account);

// For messages made elsewhere (tests of a channel, confirmations): one delivery per channel.
std::size_t deliver(store::WriteView& view, const runtime::Config& config,
                    const runtime::Entropy& entropy, Message message, UtcTime now);

}  // namespace certline::notices
