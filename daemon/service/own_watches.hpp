#pragma once
// The names of the daemon's own certificate are watched for the operator (kOperatorAccount) like
// any other name. Where they are served: daemon/own_endpoints.hpp.

#include <memory>
#include <vector>

#include "daemon/runtime/parts.hpp"
#include "daemon/runtime/settings.hpp"
#include "protocol/domain.hpp"
#include "scanner/scanner_settings.hpp"

namespace certline::service {

// Names are parsed by these rules: special names, too, since clients of this daemon use whatever
// its certificate says.
inline constexpr DomainRules kOwnNames{true};

// Makes the operator's watches these, and has all of them scanned now. Null where there is nothing
// to do, now or before.
std::unique_ptr<store::WriteJob> watch_own_names(const runtime::Parts& parts,
                                                 runtime::SettingsPtr settings,
                                                 std::vector<scanner::OwnEndpoint> own);

}  // namespace certline::service
