// The version comes from the build. It has a file of its own, so that a new version recompiles only
// this.
#include "daemon/runtime/version.hpp"

namespace certline::runtime {

const char* const kVersion = CERTLINE_VERSION;

}  // namespace certline::runtime
