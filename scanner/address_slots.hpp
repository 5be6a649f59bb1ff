#pragma once
// Limits how many probes are at one address at once, over all scanner threads. Further probes wait
// in line. Thread-safe.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <list>
#include <map>
#include <memory>
#include <mutex>

#include "protocol/ip_address.hpp"

namespace certline::scanner {

class AddressSlots {
 public:
  explicit AddressSlots(unsigned per_address);
  void set_limit(unsigned per_address);  // of 0 is taken for 1

  // A place at the address until it is destroyed. The slots must outlive it.
  class Place {
   public:
    Place(AddressSlots& slots, const IpAddress& address) : slots_(&slots), address_(address) {}
    Place(Place&& other) noexcept
        : slots_(std::exchange(other.slots_, nullptr)), address_(other.address_) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (slots_ != nullptr) slots_->leave(address_);
    }

   private:
    AddressSlots* slots_;
    IpAddress address_;
  };

  // Throws on cancellation only.
  boost::asio::awaitable<Place> enter(IpAddress address);

 private:
  struct Waiter;
  struct Line {
    unsigned inside = 0;
    std::list<std::shared_ptr<Waiter>> waiting;
  };

  void leave(const IpAddress& address);
  void admit(Line& line);  // under the lock

  std::mutex mutex_;
  unsigned limit_;
  std::map<IpAddress, Line> lines_;
};

}  // namespace certline::scanner
