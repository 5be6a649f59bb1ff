#pragma once
// Random bytes of the operating system. They are passed in, so that tests can set them.

#include <cstdint>
#include <functional>
#include <string>

#include "inventory/records.hpp"

namespace certline::runtime {

struct Entropy {
  std::function<void(std::uint8_t* out, std::size_t size)> fill;
  static Entropy system();  // getrandom(2); throws std::system_error

  std::uint64_t number() const;
  std::string api_key() const;  // 128 bits as 32 hex digits
  Uuid uuid() const;            // version 4 (RFC 9562 5.4)
};

// These bytes with the bits of a version and of the variant set (RFC 9562 4.1, 4.2).
Uuid as_uuid(Uuid bytes, int version);
std::string uuid_text(const Uuid& uuid);

}  // namespace certline::runtime
