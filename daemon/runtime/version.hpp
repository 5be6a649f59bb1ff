#pragma once
// The version of this build.

namespace certline::runtime {

extern const char* const kVersion;  // "0.1.0"

}  // namespace certline::runtime
