#pragma once
// Where the scanner finds what the daemon serves itself: its certificate's names at each TLS port.

#include <vector>

#include "daemon/server/ports.hpp"
#include "daemon/server/tls_identity.hpp"
#include "scanner/scanner_settings.hpp"

namespace certline::daemon {

// Empty without TLS (`identity` is null). A wildcard stands for its bare name; what is no name is
// left out.
std::vector<scanner::OwnEndpoint> own_endpoints(const server::TlsIdentity* identity,
                                                const std::vector<server::Bound>& bound);

}  // namespace certline::daemon
