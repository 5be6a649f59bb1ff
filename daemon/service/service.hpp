#pragma once
// The handlers: one Request in, one Reply out, whichever wire it came by. Reads run inline on the
// caller's thread; writes are queued to the store's writer and answered after their commit.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "daemon/runtime/parts.hpp"
#include "daemon/runtime/settings.hpp"
#include "daemon/service/answer_cache.hpp"
#include "daemon/service/recent_answers.hpp"
#include "protocol/request.hpp"
#include "store/store.hpp"

namespace certline::service {

// The record of the API key with this SHA-256, compared in constant time, whatever its state.
std::optional<KeyRecord> find_key(const store::ReadView& view, const Sha256& key_hash);
// The same where the key may be used. Errors (key_unknown): unknown here, revoked, blocked.
Result<KeyRecord> usable_key(const store::ReadView& view, const Sha256& key_hash);

// What reads and writes answer alike. A foreign name and an unknown one look the same.
Error unknown_key();
Error unknown_name();
Error only_administrators();
Error worthless_key(KeyState state);  // revoked or blocked

// Who asks.
struct Caller {
  IpAddress source;            // of a Unix socket: loopback
  bool administrator = false;  // root or the daemon's own user, on a Unix socket
  std::uint32_t uid = 0;       // with administrator
};

// Thread-safe.
class Service {
 public:
  // Called on the writer thread; hand over to your own at once.
  using Answer = std::function<void(Reply)>;

  // `remembered_answers`: at most so many (answer_cache.hpp); 0 remembers none.
  explicit Service(const runtime::Parts& parts, std::size_t remembered_answers = 0);

  struct Read {
    Reply reply;
    // Set where `wait` is not satisfied yet: ask again when this endpoint was scanned.
    std::optional<EndpointId> wait_for;
    // Of an answer about a name's certificate: what it rests on, for who keeps its text.
    std::optional<RecentAnswers::Basis> basis;
  };
  // For requests with !is_write(). `received_utc` is when the request arrived (for `wait`).
  Read read(const Request& request, const Caller& caller, const runtime::Settings& settings,
            UtcTime received_utc) const;

  // What `command expiration domain D apikey K` says, where that is still known from before, and
  // what it rests on. Belongs to the calling thread, until its next call.
  struct Recalled {
    ExpirationReport report;
    RecentAnswers::Basis basis;
  };
  const Recalled* recall(std::string_view domain, std::string_view key,
                         const runtime::Settings& settings) const;

  // For requests with is_write(): what is to be submitted to the store. Several made in one turn
  // go together.
  std::unique_ptr<store::WriteJob> write_job(const Request& request, const Caller& caller,
                                             runtime::SettingsPtr settings, Answer answer) const;

  // Wiring, before any thread starts: some endpoint may be due earlier than before. Called on the
  // writer thread.
  void on_due_changed(std::function<void()> call) { due_changed_ = std::move(call); }
  const runtime::Parts& parts() const { return parts_; }
  void due_changed() const {
    if (due_changed_) due_changed_();
  }
  // May one more refused attempt be written down? So many of them an hour, so that nobody fills the
  // store with them: then how many were left out before, otherwise nothing. The writer thread only.
  std::optional<std::uint64_t> take_refusal_row(UtcTime now) const;

 private:
  struct Reports;  // which keys' reports are being written down

  Read read_any(const Request& request, const runtime::Settings& settings,
                UtcTime received_utc) const;
  std::optional<ExpirationReport> report_one(const store::ReadView& view,
                                             const GetExpiration& request, const WatchRecord& watch,
                                             const EndpointRecord& endpoint) const;
  Read read_expiration(const GetExpiration& request, const runtime::Settings& settings,
                       UtcTime received_utc) const;
  void remember(const GetExpiration& request, const ExpirationReport& report,
                const EndpointRecord& endpoint, const store::Stamp& stamp,
                const runtime::Settings& settings) const;
  Reply read_domains(const ListDomains& request) const;
  struct Watched {
    WatchRecord watch;
    EndpointRecord endpoint;
  };
  // Errors: key_unknown, not_registered. Notes the client's report.
  Result<Watched> find_watched(const store::ReadView& view, const Domain& domain,
                               const ApiKey& key) const;
  Reply read_addresses(const ListAddresses& request) const;
  Reply read_check(const CheckDomain& request) const;
  Reply read_status() const;
  Reply read_user(const GetUser& request) const;
  // A request with this key came: where that counts as a report of its client, it is written down
  // by a job of its own.
  void note_client(const Sha256& key_hash, const KeyRecord& key) const;

  const runtime::Parts& parts_;
  UtcTime started_utc_;
  mutable AnswerCache answers_;
  std::shared_ptr<Reports> reports_;
  mutable struct {
    UtcTime hour = 0;
    std::uint32_t rows = 0;
    std::uint64_t left_out = 0;
  } refusals_;
  std::function<void()> due_changed_;
};

}  // namespace certline::service
