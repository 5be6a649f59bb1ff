#pragma once
// Errors that several handlers answer. Somebody else's name and an unknown one look the same.

#include "inventory/records.hpp"
#include "protocol/error.hpp"

namespace certline::service {

Error unknown_key();
Error unknown_name();
Error only_administrators();
Error worthless_key(KeyState state);  // revoked or blocked

}  // namespace certline::service
