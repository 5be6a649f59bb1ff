// Explains a failed commit, in the words that a client reads.
#include "daemon/runtime/parts.hpp"

namespace certline::runtime {

Error Parts::commit_error(store::CommitOutcome outcome) const {
  if (outcome == store::CommitOutcome::full) {
    return {ErrorKind::store_full, "the store is full; the operator should raise store.map_size"};
  }
  if (outcome == store::CommitOutcome::panic && on_panic) on_panic();
  return {ErrorKind::unavailable,
          "the store could not save this; nothing was changed, try again later"};
}

}  // namespace certline::runtime
