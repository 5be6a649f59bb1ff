// A waiting line for each address. A free place is handed to the first waiter under the lock, and
// then the waiter is woken on its own thread. So nothing can slip in between, and no waiter wakes
// in vain.

#include "scanner/address_slots.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace certline::scanner {

namespace asio = boost::asio;

struct AddressSlots::Waiter {
  explicit Waiter(const asio::any_io_executor& executor)
      : wake(executor, asio::steady_timer::time_point::max()) {}
  asio::steady_timer wake;  // used on the waiter's thread only
  bool admitted = false;    // under the lock
};

AddressSlots::AddressSlots(unsigned per_address) : limit_(std::max(per_address, 1u)) {}

void AddressSlots::set_limit(unsigned per_address) {
  const std::lock_guard lock(mutex_);
  limit_ = std::max(per_address, 1u);
  for (auto& [address, line] : lines_) admit(line);
}

void AddressSlots::admit(Line& line) {
  while (line.inside < limit_ && !line.waiting.empty()) {
    const auto waiter = std::move(line.waiting.front());
    line.waiting.pop_front();
    ++line.inside;
    waiter->admitted = true;
    asio::post(waiter->wake.get_executor(), [waiter] { waiter->wake.cancel(); });
  }
}

void AddressSlots::leave(const IpAddress& address) {
  const std::lock_guard lock(mutex_);
  const auto at = lines_.find(address);
  --at->second.inside;
  admit(at->second);
  if (at->second.inside == 0 && at->second.waiting.empty()) lines_.erase(at);
}

asio::awaitable<AddressSlots::Place> AddressSlots::enter(IpAddress address) {
  const auto waiter = std::make_shared<Waiter>(co_await asio::this_coro::executor);
  {
    const std::lock_guard lock(mutex_);
    Line& line = lines_[address];
    if (line.inside < limit_ && line.waiting.empty()) {
      ++line.inside;
      waiter->admitted = true;
    } else {
      line.waiting.push_back(waiter);
    }
    if (waiter->admitted) co_return Place(*this, address);
  }
  const auto [error] = co_await waiter->wake.async_wait(asio::as_tuple(asio::use_awaitable));
  std::unique_lock lock(mutex_);
  if (waiter->admitted) co_return Place(*this, address);
  lines_[address].waiting.remove(waiter);
  throw boost::system::system_error(error);
}

}  // namespace certline::scanner
