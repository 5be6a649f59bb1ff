// Dates go through the calendar types of <chrono> rather than gmtime(), so that no locale and no
// range of time_t decides what a year is. values.hpp has the type that is shown here.
#include "protocol/utc_text.hpp"

#include <fmt/format.h>

#include <array>
#include <chrono>

namespace certline {
namespace {

struct Moment {
  int year = 0;
  unsigned month = 0, day = 0, weekday = 0;  // months from 1, weekdays from 0 for Sunday
  std::int64_t hour = 0, minute = 0, second = 0;
};

Moment moment(UtcTime when) {
  const std::chrono::sys_seconds at{std::chrono::seconds(when)};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{at - day};
  return {static_cast<int>(date.year()),
          static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()),
          std::chrono::weekday{day}.c_encoding(),
          clock.hours().count(),
          clock.minutes().count(),
          clock.seconds().count()};
}

}  // namespace

std::string day_text(UtcTime when) {
  const Moment m = moment(when);
  return fmt::format("{:04}-{:02}-{:02}", m.year, m.month, m.day);
}

std::string minute_text(UtcTime when) {
  const Moment m = moment(when);
  return fmt::format("{} {:02}:{:02} UTC", day_text(when), m.hour, m.minute);
}

std::string second_text(UtcTime when) {
  const Moment m = moment(when);
  return fmt::format("{} {:02}:{:02}:{:02} UTC", day_text(when), m.hour, m.minute, m.second);
}

std::string iso_utc_text(UtcTime when) {
  const Moment m = moment(when);
  return fmt::format("{}T{:02}:{:02}:{:02}Z", day_text(when), m.hour, m.minute, m.second);
}

std::string header_date(UtcTime when, std::string_view zone) {
  static constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const Moment m = moment(when);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} {}", kDays[m.weekday], m.day,
                     kMonths[m.month - 1], m.year, m.hour, m.minute, m.second, zone);
}

}  // namespace certline
