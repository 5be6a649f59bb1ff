#pragma once
// When a certificate should be renewed. Pure arithmetic on Unix seconds.

#include "protocol/values.hpp"

namespace certline {

// The moment from which renewal is due: notAfter − min(28 days, lifetime/3), and for lifetimes of
// at most 10 days notAfter − lifetime/2. Lifetime is notAfter − notBefore, at least 0.
UtcTime renewal_due_from(UtcTime not_before, UtcTime not_after);

}  // namespace certline
