// Makes keys, identifiers and jitter from one source of random bytes, so that a test which sets the
// bytes sets them all.
#include "daemon/runtime/entropy.hpp"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace certline::runtime {
namespace {

void fill_from_kernel(std::uint8_t* out, std::size_t size) {
  while (size > 0) {
    const ssize_t got = ::getrandom(out, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) throw std::system_error(errno, std::generic_category(), "getrandom");
    out += got;
    size -= static_cast<std::size_t>(got);
  }
}

}  // namespace

Entropy Entropy::system() {
  return Entropy{fill_from_kernel};
}

std::uint64_t Entropy::number() const {
  std::array<std::uint8_t, 8> bytes{};
  fill(bytes.data(), bytes.size());
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data(), bytes.size());
  return value;
}

std::string Entropy::api_key() const {
  std::array<std::uint8_t, 16> bytes{};
  fill(bytes.data(), bytes.size());
  return hex(bytes);
}

Uuid Entropy::uuid() const {
  Uuid uuid{};
  fill(uuid.data(), uuid.size());
  return as_uuid(uuid, 4);
}

Uuid as_uuid(Uuid bytes, int version) {
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | version << 4);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80);
  return bytes;
}

std::string uuid_text(const Uuid& uuid) {
  std::string text = hex(uuid);
  for (const std::size_t dash : {20u, 16u, 12u, 8u}) text.insert(dash, 1, '-');
  return text;
}

}  // namespace certline::runtime
