#pragma once
// Refused attempts are written to the audit, but only so many an hour: nobody can fill the store
// with them. The writer thread only.

#include <cstdint>
#include <optional>
#include <utility>

#include "protocol/values.hpp"

namespace certline::service {

class RefusalRows {
 public:
  static constexpr std::uint32_t kPerHour = 100;

  // Takes one of the hour's rows: returns how many attempts were left out before. Nothing if none
  // is left.
  std::optional<std::uint64_t> take(UtcTime now) {
    if (now / kHour != hour_) {
      hour_ = now / kHour;
      taken_ = 0;
    }
    if (taken_ >= kPerHour) {
      ++left_out_;
      return std::nullopt;
    }
    ++taken_;
    return std::exchange(left_out_, 0);
  }

 private:
  UtcTime hour_ = 0;
  std::uint32_t taken_ = 0;
  std::uint64_t left_out_ = 0;
};

// The row of one job, the same whenever the job runs again.
class RefusalRow {
 public:
  explicit RefusalRow(RefusalRows& rows) : rows_(rows) {}
  std::optional<std::uint64_t> take(UtcTime now) {
    if (!taken_) taken_ = rows_.take(now);
    return *taken_;
  }

 private:
  RefusalRows& rows_;
  std::optional<std::optional<std::uint64_t>> taken_;
};

}  // namespace certline::service
