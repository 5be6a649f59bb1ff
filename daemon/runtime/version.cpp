// The version, compiled in from the build's project version. In a file of its own, so that a new
// version compiles nothing else.
#include "daemon/runtime/version.hpp"

namespace certline::runtime {

const char* const kVersion = CERTLINE_VERSION;

}  // namespace certline::runtime
