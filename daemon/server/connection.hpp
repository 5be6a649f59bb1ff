#pragma once
// A connection as its server thread sees it, on either wire, and what it needs from its thread.

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "daemon/server/inbox.hpp"
#include "daemon/server/source_limits.hpp"
#include "daemon/service/service.hpp"

namespace certline::server {

class StreamConnection;

// Belongs to its server thread; every call comes from there.
class Connection {
 public:
  virtual ~Connection() = default;
  virtual void start() = 0;
  virtual void endpoint_scanned() {}  // after wait_for(): looks again whether its wait is over
  virtual void drain() = 0;           // answers what is under way, then closes
  virtual void close() = 0;
};

// What a connection needs of its thread. A turn is the handlers that were ready at one time.
struct ConnectionHost {
  virtual ~ConnectionHost() = default;
  boost::asio::io_context io;
  std::shared_ptr<Inbox> inbox;
  service::Service& service;
  runtime::Log& log;
  SourceLimits& sources;
  std::span<char> read_buffer;  // one for all connections of the thread
  std::string spare_output;     // memory that a connection borrows while it answers
  store::Store::Jobs writes;    // of this turn, submitted at its end
  service::RecentAnswers recent;
  virtual const runtime::SettingsPtr& settings() const = 0;
  virtual void await_turn_end() = 0;  // after something was put into `writes`
  // At the end of the turn: read_on().
  virtual void read_later(std::shared_ptr<StreamConnection> connection) = 0;
  // Asks for endpoint_scanned() on the connection, once.
  virtual void wait_for(EndpointId endpoint, std::uint64_t connection) = 0;
  virtual void stop_waiting(EndpointId endpoint, std::uint64_t connection) = 0;
  virtual void closed(std::uint64_t connection) = 0;

 protected:
  ConnectionHost(service::Service& s, runtime::Log& l, SourceLimits& limits);
};

}  // namespace certline::server
