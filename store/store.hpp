#pragma once
// The embedded store: typed tables in one LMDB environment, one writer thread with group commit.
// Reads run inline on any thread in a short transaction; nothing read outlives its view (records
// are copied out). FORMAT.md fixes the bytes.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "inventory/notices.hpp"
#include "inventory/records.hpp"
#include "inventory/schedule.hpp"
#include "protocol/error.hpp"
#include "store/change_counters.hpp"

namespace certline::store {

struct StoreSettings {
  std::string path;                      // a directory; created with mode 700 if missing
  std::uint64_t map_size = 16ull << 30;  // sparse; the most the file can grow to
  bool read_only = false;
};

struct Counts {
  std::uint64_t accounts = 0, keys = 0, watches = 0, endpoints = 0, certificates = 0;
  std::uint64_t addresses = 0;
};

class Environment;  // hides lmdb.h
class ReaderPool;

inline constexpr std::size_t kHistoryPerEndpoint = kAddressesPerEndpoint * kHistoryPerAddress;

// Typed reads inside one transaction. Not copyable, one thread, short-lived: never across a wait,
// and gone before its Store. A value that fails its checksum or its schema throws CorruptValue.
class ReadView {
 public:
  virtual ~ReadView();
  ReadView(ReadView&&) noexcept;
  // Found by the first half of the hash; whoever authenticates compares the whole of `digest`.
  std::optional<KeyRecord> key(const Sha256& key_hash) const;
  std::optional<AccountRecord> account(AccountId id) const;
  std::optional<AccountId> account_by_email(std::string_view email) const;
  std::optional<WatchRecord> watch(AccountId account, std::string_view canonical) const;
  // Canonical names after `after` (exclusive; empty: from the first), ascending, at most `most`.
  std::vector<std::pair<std::string, WatchRecord>> watches(AccountId account,
                                                           std::string_view after,
                                                           std::size_t most) const;
  std::optional<EndpointRecord> endpoint(EndpointId id) const;
  std::optional<EndpointId> endpoint_id(std::string_view host, std::uint16_t port,
                                        Starttls starttls) const;
  // (account, canonical) of every watch on an endpoint, at most `most`.
  std::vector<std::pair<AccountId, std::string>> watchers(EndpointId endpoint,
                                                          std::size_t most) const;
  std::optional<AddressRecord> address(EndpointId endpoint, const IpAddress& address) const;
  std::vector<AddressRecord> addresses(EndpointId endpoint) const;
  std::optional<CertificateRecord> certificate(const Sha256& sha256) const;
  std::vector<HistoryRecord> history(EndpointId endpoint) const;  // oldest first per address
  std::vector<std::pair<Sha256, std::vector<std::uint8_t>>> intermediates() const;
  std::vector<DueEntry> due(DueEntry after, UtcTime until, std::size_t most) const;
  std::uint64_t due_count(UtcTime until) const;
  Counts counts() const;

  std::vector<AccountRecord> accounts(AccountId after, std::size_t most) const;  // ascending
  // The keys of an account by their tags, ascending after `after` (all zero: from the first).
  std::vector<std::pair<KeyTag, KeyRecord>> keys(AccountId account, const KeyTag& after,
                                                 std::size_t most) const;
  std::optional<KeyRecord> key_by_tag(const KeyTag& tag) const;
  // Accounts whose only key was claimed for this address and waits for confirmation.
  std::vector<AccountId> claims(std::string_view email, std::size_t most) const;
  // Found by the first half of the hash; whoever redeems compares the whole of `digest`.
  std::optional<TokenRecord> token(const Sha256& token_hash) const;
  // By the first half of their hashes, ascending after `after` (all zero: from the first).
  std::vector<std::pair<KeyTag, TokenRecord>> tokens(const KeyTag& after, std::size_t most) const;
  std::vector<std::pair<std::uint64_t, AuditRecord>> audit(std::uint64_t after,
                                                           std::size_t most) const;
  std::uint32_t new_accounts(UtcTime day, const IpAddress& source) const;  // day: now / 86400
  AlertState alert_state(EndpointId endpoint) const;  // as new where none is stored
  std::vector<std::pair<IncidentKey, IncidentRecord>> incidents(AccountId account,
                                                                std::size_t most) const;
  // Those of one (account, event, subject), whatever their stage.
  std::vector<std::pair<IncidentKey, IncidentRecord>> incidents(AccountId account, EventKind event,
                                                                const Subject& subject) const;
  std::optional<DeliveryRecord> delivery(std::uint64_t id) const;
  std::vector<DeliveryRecord> deliveries(std::uint64_t after, std::size_t most) const;
  std::vector<Alarm> alarms(UtcTime until, std::size_t most) const;  // ascending
  // 32 random bytes that were made with the store and leave it in backups only. Throws
  // StoreFailure where a store of an older format is open for reading: it has none yet.
  Sha256 secret() const;

 protected:
  friend class Store;
  friend class ReaderPool;
  struct Impl;
  explicit ReadView(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Typed writes; exists only on the writer thread, inside a batch's transaction. Certificates are
// counted when the job ends: within a job the order of put_address(), append_history() and removals
// is free, as long as each certificate named is stored before or among the job's `ders`.
class WriteView : public ReadView {
 public:
  AccountId new_account_id();
  EndpointId new_endpoint_id();
  void put_key(const Sha256& key_hash, const KeyRecord& record);  // also the account's index
  void remove_key(const KeyTag& tag);
  void put_account(const AccountRecord& record);  // also its e-mail and claim indexes
  // With its e-mail and claim indexes; its keys, watches, incidents and deliveries are the caller's
  // to remove.
  void remove_account(AccountId id);
  void put_watch(AccountId account, std::string_view canonical, const WatchRecord& record);
  void remove_watch(AccountId account, std::string_view canonical);  // also the watcher index
  // Writes the record and moves its due entry to next_scan_utc (none unless watchers > resting).
  void put_endpoint(const EndpointRecord& record);
  void remove_endpoint(
      EndpointId id);  // with addresses, history, due entry, alert state, certificate references
  // Replaces what an address record says; keeps certificate reference counts right. Certificates of
  // `chain` that are not stored yet come from `ders`.
  void put_address(EndpointId endpoint, const AddressRecord& record,
                   const std::vector<std::pair<Sha256, std::vector<std::uint8_t>>>& ders,
                   UtcTime now);
  void remove_address(EndpointId endpoint, const IpAddress& address);  // its history stays
  // Beyond kHistoryPerAddress of an address, or kHistoryPerEndpoint altogether, the oldest go.
  void append_history(EndpointId endpoint, const HistoryRecord& record);
  void put_intermediate(const Sha256& sha256, const std::vector<std::uint8_t>& der);

  void put_token(const Sha256& token_hash, const TokenRecord& record);
  void remove_token(const KeyTag& first_half);
  void append_audit(const AuditRecord& record);
  // Counts one more; what was counted on other days is forgotten.
  void count_new_account(UtcTime day, const IpAddress& source);
  void put_alert_state(EndpointId endpoint, const AlertState& state);
  void put_incident(const IncidentKey& key, const IncidentRecord& record);
  void remove_incident(const IncidentKey& key);
  std::uint64_t new_delivery_id();
  void put_delivery(const DeliveryRecord& record);
  void remove_delivery(std::uint64_t id);
  void set_alarm(const Alarm& alarm);  // twice is once
  void clear_alarm(const Alarm& alarm);
  // What the tables leave of the map, this transaction's writes counted; costs a look at each
  // table.
  std::uint64_t free_bytes() const;
  std::uint64_t map_bytes() const;

 private:
  friend class Store;
  using ReadView::ReadView;
  void count(const std::vector<Sha256>& before, const std::vector<Sha256>& after);
  void forget_email(const AccountRecord& account);
  void trim_history(EndpointId endpoint, const IpAddress& address);
  void settle_certificates();  // at the end of each job
};

enum class CommitOutcome : std::uint8_t {
  committed,
  full,    // the map is full: nothing of this job was kept
  failed,  // apply() threw, or the commit failed (disk error): nothing of this job was kept
  panic,   // the environment is unusable: exit for the supervisor
};

// One write. apply() runs on the writer thread, possibly several times (when a batch is retried
// after a full map or another job's failure): it must start from its arguments each time. It may
// leave everything untouched. An exception out of it fails this job alone; it must not swallow
// those of the view. done() runs on the writer thread after the commit; keep it short, hand over to
// another thread.
class WriteJob {
 public:
  virtual ~WriteJob() = default;
  virtual void apply(WriteView& view) = 0;
  virtual void done(CommitOutcome outcome) = 0;
};

class Store {
 public:
  // Errors: unavailable (cannot open, damaged), refused (newer schema, locked by another daemon).
  static Result<std::unique_ptr<Store>> open(const StoreSettings& settings);
  ~Store();  // commits what is queued, joins the writer, closes

  ReadView read() const;  // throws StoreFailure when no transaction can begin

  // For who keeps an answer made from these rows of `view`: unchanged() says whether it still
  // holds, whoever wrote in between. Nothing where they are being written at this moment.
  std::optional<Stamp> stamp(const ReadView& view, const Sha256& key_hash, AccountId account,
                             std::string_view canonical, EndpointId endpoint) const;
  bool unchanged(const Stamp& stamp) const;

  using Jobs = std::vector<std::unique_ptr<WriteJob>>;
  void submit(std::unique_ptr<WriteJob> job);  // thread-safe, FIFO
  void submit(Jobs jobs);                      // these in a row
  // `call` is called on the writer thread after the last done() of each commit, from now on.
  void after_each_commit(std::function<void()> call);
  // Runs a function in a write and waits for its commit; for tests and tools, never on a server
  // thread.
  CommitOutcome write(const std::function<void(WriteView&)>& apply);

  // Of the map, free pages not counted; measured after each commit, costs one load.
  double used_fraction() const;
  std::size_t queued() const;

  // Both run in a process of their own beside the daemon, or on a store open in this process.
  // A consistent, compacted copy; while others read and write. DIR must not exist or be empty.
  static Result<void> backup(const StoreSettings& from, const std::string& dir);
  // Replaces the contents by those of a backup in one transaction, also under a running daemon.
  // The backup is read and checked whole first; on an error nothing has changed. Identities given
  // out since the backup are not given out again.
  static Result<void> restore(const StoreSettings& into, const std::string& dir);

 private:
  struct Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct StoreFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct CorruptValue : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace certline::store
