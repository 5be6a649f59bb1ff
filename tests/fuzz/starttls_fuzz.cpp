// Every STARTTLS dialogue against arbitrary servers. The first byte picks the protocol; 0xfe ends a
// turn of the server. A dialogue that goes ahead turn by turn also goes ahead byte by byte. An
// outcome is final. Our output is bounded. Every failure has a state and a printable reason.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "scanner/starttls.hpp"

namespace {

using namespace certline;
using namespace certline::scanner;
using Next = StarttlsStep::Next;

void require(bool held) {
  if (!held) std::abort();
}

struct Played {
  StarttlsStep::Next next = Next::read;
  std::size_t sent = 0;
};

Played play(Starttls p, std::span<const std::uint8_t> bytes, std::size_t chunk) {
  constexpr std::uint8_t kEndOfTurn = 0xfe;
  const auto dialogue = StarttlsDialogue::create(p, "example.org", "me.example");
  Played out{Next::read, dialogue->start().send.size()};
  StarttlsStep step;
  for (std::size_t at = 0; at < bytes.size() && step.next == Next::read;) {
    std::size_t size = 0;
    while (size < chunk && at + size < bytes.size() && bytes[at + size] != kEndOfTurn) ++size;
    step = dialogue->receive(bytes.subspan(at, size));
    out.sent += step.send.size();
    at += size;
    if (at < bytes.size() && bytes[at] == kEndOfTurn) ++at;
  }
  out.next = step.next;
  if (step.next == Next::fail) {
    require(step.state != ScanState::pending && step.state != ScanState::ok);
    require(step.send.empty() && !step.detail.empty() && step.detail.size() <= 200);
    for (const char c : step.detail) require(c >= 0x20 && c < 0x7f);
  }
  if (step.next == Next::read) step = dialogue->closed();
  require(dialogue->receive(bytes).next == step.next);
  require(dialogue->closed().send.empty());
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto p = static_cast<Starttls>(1 + data[0] % (kStarttlsCount - 1));
  const std::span<const std::uint8_t> bytes(data + 1, size - 1);
  const Played turns = play(p, bytes, size);
  const Played single = play(p, bytes, 1);
  require(turns.sent <= 1024 && single.sent <= 1024);
  if (turns.next == Next::start_tls) require(single.next == Next::start_tls);
  return 0;
}
