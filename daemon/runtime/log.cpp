// Writes log lines through spdlog, which locks, stamps and flushes. Event and fields are escaped
// here, so that no byte of a peer reaches a terminal raw.
#include "daemon/runtime/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <map>
#include <mutex>

namespace certline::runtime {
namespace {

constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info,
                                                 spdlog::level::warn, spdlog::level::err};

spdlog::level::level_enum to_spdlog(LogLevel level) {
  return kLevels[static_cast<std::size_t>(level)];
}

std::string render(std::string_view event, std::initializer_list<LogField> fields) {
  std::string line(event);
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    line += log_value(field.value);
  }
  return line;
}

}  // namespace

struct Log::Impl {
  const spdlog::sink_ptr sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  spdlog::logger logger{"certlined", sink};
  struct Minute {
    std::int64_t minute = 0;
    std::uint32_t written = 0, suppressed = 0;
  };
  std::mutex mutex;
  std::map<std::string, Minute, std::less<>> minutes;
};

Log::Log(LogLevel level) : impl_(std::make_unique<Impl>()) {
  impl_->logger.set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
  impl_->logger.flush_on(spdlog::level::debug);
  set_level(level);
}

Log::~Log() = default;

void Log::set_level(LogLevel level) {
  impl_->logger.set_level(to_spdlog(level));
}

bool Log::enabled(LogLevel level) const {
  return impl_->logger.should_log(to_spdlog(level));
}

void Log::write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (enabled(level)) impl_->logger.log(to_spdlog(level), render(event, fields));
}

void Log::announce(std::string_view event, std::initializer_list<LogField> fields) {
  const std::string line = render(event, fields);
  impl_->sink->log({"certlined", spdlog::level::info, line});
}

void Log::write_limited(LogLevel level, std::string_view event,
                        std::initializer_list<LogField> fields) {
  if (!enabled(level)) return;
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const auto minute = std::chrono::duration_cast<std::chrono::minutes>(now).count();
  std::uint32_t suppressed = 0;
  {
    const std::lock_guard lock(impl_->mutex);
    auto found = impl_->minutes.find(event);
    if (found == impl_->minutes.end()) {
      found = impl_->minutes.emplace(std::string(event), Impl::Minute{}).first;
    }
    Impl::Minute& state = found->second;
    if (state.minute != minute) {
      suppressed = state.suppressed;
      state = {minute, 0, 0};
    }
    if (state.written >= kPerMinute) {
      ++state.suppressed;
      return;
    }
    ++state.written;
  }
  if (suppressed > 0) write(level, "suppressed", {{"event", event}, {"lines", suppressed}});
  write(level, event, fields);
}

std::string log_value(std::string_view text) {
  bool plain = !text.empty();
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f || c == '"' || c == '\\' || c == '=') plain = false;
  }
  return plain ? std::string(text) : quoted(text, 400);
}

std::string key_tag(const Sha256& key_hash) {
  return "sha256:" + hex(key_hash.data(), 4);
}

}  // namespace certline::runtime
