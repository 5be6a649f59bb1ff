#pragma once

namespace certline::runtime {

extern const char* const kVersion;  // "0.1.0"

}  // namespace certline::runtime
