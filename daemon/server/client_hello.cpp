// Reads just enough of a record's and a message's header to know how many bytes to wait for: their
// types and lengths. pending_handshake.cpp waits for them.
#include "daemon/server/client_hello.hpp"

namespace certline::server {
namespace {

constexpr std::size_t kHandshakeHeader = 4;
constexpr std::size_t kHeaders = kRecordHeaderBytes + kHandshakeHeader;
constexpr unsigned char kMajorVersion = 3, kClientHello = 1;

}  // namespace

HelloLook look_at_hello(std::span<const char> first) {
  using enum HelloLook::Verdict;
  const auto at = [&](std::size_t i) {
    return static_cast<std::size_t>(static_cast<unsigned char>(first[i]));
  };
  if (first.size() > 0 && at(0) != kHandshakeRecord) return {refuse};
  if (first.size() > 1 && at(1) != kMajorVersion) return {refuse};
  if (first.size() < kRecordHeaderBytes) return {wait, kHeaders};
  const std::size_t record = at(3) << 8 | at(4);
  if (record < kHandshakeHeader || record > kClientHelloBytes) return {refuse};
  if (first.size() > kRecordHeaderBytes && at(kRecordHeaderBytes) != kClientHello) return {refuse};
  if (first.size() < kHeaders) return {wait, kHeaders};
  if ((at(6) << 16 | at(7) << 8 | at(8)) > kClientHelloBytes) return {refuse};
  if (first.size() < kRecordHeaderBytes + record) return {wait, kRecordHeaderBytes + record};
  return {begin};
}

}  // namespace certline::server
