#pragma once
// The log: one line per event on standard error, "TIME LEVEL EVENT key=value …". Values are
// escaped: CR, LF, ESC and all other control bytes. An API key is never logged, only its key_tag().

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "protocol/values.hpp"

namespace certline::runtime {

enum class LogLevel : std::uint8_t { debug, info, warning, error };

struct LogField {
  std::string_view key;
  std::string value;
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, std::int64_t v) : key(k), value(std::to_string(v)) {}
};

// Thread-safe.
class Log {
 public:
  explicit Log(LogLevel level);
  ~Log();
  void set_level(LogLevel level);
  bool enabled(LogLevel level) const;
  void write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

  // Written whatever the level: what a supervisor or a script has to learn, such as the port.
  void announce(std::string_view event, std::initializer_list<LogField> fields = {});

  // For events that a peer can cause at will: at most kPerMinute lines of one event a minute; the
  // first line of the next minute says how many were left out.
  static constexpr std::uint32_t kPerMinute = 60;
  void write_limited(LogLevel level, std::string_view event,
                     std::initializer_list<LogField> fields = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

std::string log_value(std::string_view text);  // as it stands after "key="
std::string key_tag(const Sha256& key_hash);   // names a key without giving it away

}  // namespace certline::runtime
