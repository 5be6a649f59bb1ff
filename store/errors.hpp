#pragma once
// What a view or an engine throws.

#include <stdexcept>

namespace certline::store {

// Reading or writing failed: a disk error, no reader slot, a broken rule of the caller.
struct StoreFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// A write does not fit.
struct StoreFull : StoreFailure {
  using StoreFailure::StoreFailure;
};
// The engine refuses all further work until the store is opened anew.
struct StorePanic : StoreFailure {
  using StoreFailure::StoreFailure;
};
// A value fails its checksum or its schema, or a key has a shape that its table doesn't know.
struct CorruptValue : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace certline::store
