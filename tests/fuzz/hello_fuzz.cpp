// The look at a ClientHello, over arbitrary bytes that arrive one by one. Any number of bytes gives
// a verdict. A refusal or a beginning is final. A wait is always for more bytes than have arrived,
// but never for more than the daemon would look at.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

#include "daemon/server/client_hello.hpp"

namespace {

using namespace certline::server;

void require(bool held) {
  if (!held) std::abort();
}

// A copy of its own, so that a byte read behind the end is noticed.
HelloLook look_at_copy(std::span<const char> first) {
  const auto copy = std::make_unique<char[]>(first.size());
  for (std::size_t i = 0; i < first.size(); ++i) copy[i] = first[i];
  return look_at_hello({copy.get(), first.size()});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const char> all(reinterpret_cast<const char*>(data), size);
  HelloLook before = look_at_copy({});
  require(before.verdict == HelloLook::Verdict::wait);
  for (std::size_t there = 1; there <= size; ++there) {
    const HelloLook now = look_at_copy(all.first(there));
    if (before.verdict != HelloLook::Verdict::wait) {
      require(now.verdict == before.verdict);
      break;
    }
    if (now.verdict == HelloLook::Verdict::wait) {
      require(now.needed > there && now.needed >= before.needed);
      require(now.needed <= kRecordHeaderBytes + kClientHelloBytes);
    }
    if (now.verdict == HelloLook::Verdict::begin) {
      // The handshake begins with a whole record, of which nothing was awaited in vain.
      require(there == before.needed && data[0] == kHandshakeRecord);
    }
    before = now;
  }
  return 0;
}
