#pragma once
// The names of the daemon's own certificate, at each port where it serves it: watched for the
// operator (kOperatorAccount) like any other name.

#include <memory>
#include <vector>

#include "daemon/listeners.hpp"
#include "daemon/service.hpp"
#include "daemon/tls_identity.hpp"
#include "scanner/scanner.hpp"

namespace certline::daemon {

// Where the scanner finds them. Empty without TLS. Of a wildcard its bare name; what is no name is
// left out.
std::vector<scanner::OwnEndpoint> own_endpoints(const TlsIdentity* identity,
                                                const std::vector<Bound>& bound);

// Makes the operator's watches these, and has all of them scanned now. Null where there is nothing
// to do, now or before.
std::unique_ptr<store::WriteJob> watch_own_names(const Service& service, SettingsPtr settings,
                                                 std::vector<scanner::OwnEndpoint> own);

}  // namespace certline::daemon
