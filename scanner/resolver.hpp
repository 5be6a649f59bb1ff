#pragma once
// Looks up names through c-ares, on one thread's io_context. It does not block, except to read
// /etc/hosts, a local file. Every look-up ends at its deadline.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "inventory/scan_state.hpp"
#include "protocol/ip_address.hpp"
#include "scanner/scanner.hpp"

namespace certline::scanner {

inline constexpr std::size_t kAddressesPerName = 16;

struct Resolved {
  ScanState state = ScanState::dns_error;  // ok, no_address or dns_error
  std::string detail;
  std::vector<IpAddress> addresses;  // ascending, each once; IPv4 and IPv6 share the places
};

// Belongs to one thread, like its io_context, which must outlive it.
class NameResolver {
 public:
  // `servers` are asked and nothing else; empty: /etc/hosts, then the servers of /etc/resolv.conf.
  // Throws std::runtime_error if c-ares cannot start.
  NameResolver(boost::asio::io_context& context, const std::vector<Resolver>& servers,
               std::chrono::milliseconds timeout);
  ~NameResolver();
  NameResolver(const NameResolver&) = delete;
  NameResolver& operator=(const NameResolver&) = delete;

  // The resolver must outlive the look-up. Throws on cancellation only.
  boost::asio::awaitable<Resolved> resolve(std::string host);

 private:
  struct Channel;
  std::shared_ptr<Channel> channel_;
  std::chrono::milliseconds timeout_;
  bool system_;
};

// At most kAddressesPerName, sorted, each once; neither family can crowd out the other.
std::vector<IpAddress> choose_addresses(std::vector<IpAddress> found);

}  // namespace certline::scanner
