// Numbers inside alarms. They are big-endian, like all keys of the store, so alarms of one second
// come in the order of their numbers.
#include "inventory/notices.hpp"

namespace certline {

std::string alarm_about(std::uint64_t number) {
  std::string out(sizeof number, '\0');
  for (std::size_t i = out.size(); i-- > 0; number >>= 8) out[i] = static_cast<char>(number & 0xFF);
  return out;
}

std::uint64_t number_of(const Alarm& alarm) {
  std::uint64_t number = 0;
  if (alarm.about.size() != sizeof number) return 0;
  for (const char c : alarm.about) number = number << 8 | static_cast<std::uint8_t>(c);
  return number;
}

}  // namespace certline
