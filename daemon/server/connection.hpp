#pragma once
// One guest of a server thread, whichever wire it speaks, and what it needs of its thread.

#include <memory>
#include <span>
#include <string>

#include "daemon/server/event_loop.hpp"
#include "daemon/server/socket.hpp"
#include "daemon/server/source_limits.hpp"
#include "daemon/service/service.hpp"

namespace certline::server {

// Belongs to its server thread; every call comes from there.
class Connection {
 public:
  virtual ~Connection() = default;
  virtual void start() = 0;
  virtual void on_ready(Readiness ready) = 0;
  virtual void on_timer() = 0;
  virtual void endpoint_scanned() = 0;  // after wait_for(): looks again whether its wait is over
  virtual void drain() = 0;             // answers what is under way, then closes
  virtual void close() = 0;
};

// What a connection needs of its thread.
struct ConnectionHost {
  virtual ~ConnectionHost() = default;
  std::shared_ptr<EventLoop> loop;
  service::Service& service;
  runtime::Log& log;
  SourceLimits& sources;
  std::span<char> read_buffer;  // one for all connections of the thread
  std::string spare_output;     // memory that a connection borrows while it answers
  store::Store::Jobs writes;    // of this turn, submitted at its end
  service::RecentAnswers recent;
  virtual const runtime::SettingsPtr& settings() const = 0;
  // Asks for endpoint_scanned() on the connection, once.
  virtual void wait_for(EndpointId endpoint, std::uint64_t connection) = 0;
  virtual void stop_waiting(EndpointId endpoint, std::uint64_t connection) = 0;
  virtual void closed(std::uint64_t connection) = 0;

 protected:
  ConnectionHost(service::Service& s, runtime::Log& l, SourceLimits& limits)
      : loop(std::make_shared<EventLoop>()),
        service(s),
        log(l),
        sources(limits),
        recent(s.parts().store) {}
};

}  // namespace certline::server
