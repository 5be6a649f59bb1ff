#pragma once

#include <cstdint>

#include "protocol/ip_address.hpp"

namespace certline::service {

// Who asks.
struct Caller {
  IpAddress source;            // of a Unix socket: loopback
  bool administrator = false;  // root or the daemon's own user, on a Unix socket
  std::uint32_t uid = 0;       // with administrator
};

}  // namespace certline::service
