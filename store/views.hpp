#pragma once
// The store inside one transaction, by families: view.keys.find(hash), view.watches.of(account).
// A reader's families are const, a writer's are not.

#include "store/accounts.hpp"
#include "store/addresses.hpp"
#include "store/audit.hpp"
#include "store/certificates.hpp"
#include "store/deliveries.hpp"
#include "store/endpoints.hpp"
#include "store/history.hpp"
#include "store/incidents.hpp"
#include "store/keys.hpp"
#include "store/rows.hpp"
#include "store/tokens.hpp"
#include "store/watches.hpp"

namespace certline::store {

struct Counts {
  std::uint64_t accounts = 0, keys = 0, watches = 0, endpoints = 0, certificates = 0;
  std::uint64_t addresses = 0;
};

// Not copied, one thread, short-lived: never across a wait, and gone before its
// Store. Records are copied out. A value that fails its checksum or its schema throws CorruptValue.
class ReadView {
 private:
  std::unique_ptr<Snapshot, Release> snapshot_;  // null: a writer's, owned elsewhere

 protected:
  Rows rows_;

 public:
  explicit ReadView(std::unique_ptr<Snapshot, Release> snapshot);
  ReadView(ReadView&& other) noexcept;  // of a reader's; nothing may refer to its families

  const Keys keys{rows_};
  const Accounts accounts{rows_};
  const Watches watches{rows_};
  const Endpoints endpoints{rows_};
  const Addresses addresses{rows_};
  const History history{rows_};
  const Certificates certificates{rows_};
  const KnownIncidents incidents{rows_};
  const Deliveries deliveries{rows_};
  const Alarms alarms{rows_};
  const Tokens tokens{rows_};
  const Audit audit{rows_};

  Counts counts() const;
  // 32 random bytes that were made with the store and leave it in backups only. Throws
  // StoreFailure where a store of an older format is open for reading: it has none yet.
  Sha256 secret() const;
  std::uint64_t number() const;  // of the commit whose state this is

 protected:
  explicit ReadView(Writing& writing);
};

// Exists only on the writer thread, inside a batch's transaction.
class WriteView : public ReadView {
 public:
  explicit WriteView(Writing& writing);

  Keys keys{rows_};
  Accounts accounts{rows_};
  Watches watches{rows_};
  Endpoints endpoints{rows_};
  Addresses addresses{rows_};
  History history{rows_};
  Certificates certificates{rows_};
  KnownIncidents incidents{rows_};
  Deliveries deliveries{rows_};
  Alarms alarms{rows_};
  Tokens tokens{rows_};
  Audit audit{rows_};

  // What the tables leave of the room there is, this transaction's writes counted; costs a look at
  // each table.
  std::uint64_t free_bytes() const;
  std::uint64_t capacity_bytes() const;

 private:
  const Transaction& transaction_;
};

}  // namespace certline::store
