#pragma once
// HTTP/1.1 on one socket. Belongs to its server thread.

#include <cstdint>
#include <memory>

#include "daemon/connection.hpp"

namespace certline::daemon {

std::shared_ptr<Connection> make_http_connection(ConnectionHost& host, Socket socket,
                                                 const Caller& caller, std::uint64_t id);

}  // namespace certline::daemon
