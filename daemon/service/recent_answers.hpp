#pragma once
// The replies that a server thread sent last, byte for byte. If a request line comes again, its
// reply is copied. It stands in front of remembered_expirations.hpp, which remembers many more in
// less memory but must lock and render. Belongs to its thread.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/values.hpp"
#include "store/store.hpp"

namespace certline::service {

class RecentAnswers {
 public:
  // What a reply rests on.
  struct Basis {
    store::Stamp stamp;
    std::uint32_t rules = 0;            // the settings that read the line
    UtcTime from_utc = 0, end_utc = 0;  // it says the same from the one until before the other
  };

  explicit RecentAnswers(const store::Store& store);

  // Empty where nothing is known that still holds. Good until the next keep().
  std::string_view find(std::string_view line, std::uint32_t rules, UtcTime now) const;
  void keep(std::string_view line, std::string_view reply, const Basis& basis);
  // True every few times: what is asked often gets its turn to be kept soon, and many names that
  // are each asked once don't spend their time on pushing each other out.
  bool keeps_this_one() { return ++offered_ % kKeptOneOf == 0; }

 private:
  static constexpr std::uint32_t kKeptOneOf = 8;
  static constexpr std::size_t kWays = 4;
  static constexpr std::size_t kSets = 1024;
  static constexpr std::size_t kTextBytes = 1024;  // of a line and its reply

  struct Slot {
    Basis basis;
    std::size_t line_size = 0;
    std::string text;  // the line, then the reply
  };
  using Tags = std::array<std::uint32_t, kWays>;  // part of each line's hash; 0: free

  const store::Store& store_;
  // Side by side: a look that finds nothing touches no more than the tags.
  std::vector<Tags> tags_;
  std::vector<std::array<Slot, kWays>> slots_;
  std::uint32_t offered_ = 0;
};

}  // namespace certline::service
