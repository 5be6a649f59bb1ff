#pragma once
// A trace that fail_call.cpp recorded: the writes to the store, and what clients asked and were
// told meanwhile.

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace certline::faults {

struct Written {
  std::uint64_t offset = 0;
  std::string bytes;
  bool durable = false;  // on the disk when the call returned
};
struct Synced {};  // everything written before is on the disk

// What a client may rely on from here on, or no longer.
struct Promise {
  enum class Kind {
    add_asked,
    added,
    remove_asked,
    removed,
  };
  Kind kind;
  std::string name;  // as the client wrote it
  std::string key;
  std::string id;  // of `added`
};

using Event = std::variant<Written, Synced, Promise>;

// Throws std::runtime_error where the trace holds something that a replay can't follow.
std::vector<Event> read_trace(const std::string& path);

}  // namespace certline::faults
