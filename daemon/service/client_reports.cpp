// One job a key at a time: a client that asks a thousand times a second is written down once.
#include "daemon/service/client_reports.hpp"

#include <mutex>
#include <set>

#include "daemon/service/keys.hpp"
#include "daemon/service/owners.hpp"
#include "daemon/service/write_context.hpp"
#include "inventory/client_silence.hpp"

namespace certline::service {
namespace {

constexpr std::size_t kMostAtOnce = 10'000;

}  // namespace

struct ClientReports::UnderWay {
  std::mutex mutex;
  std::set<Sha256> keys;
};

ClientReports::ClientReports(const runtime::Parts& parts)
    : parts_(parts), under_way_(std::make_shared<UnderWay>()) {}

void ClientReports::note(const Sha256& key_hash, const KeyRecord& key) const {
  const UtcTime now = parts_.now();
  if (!is_report(key, now)) return;
  {
    const std::lock_guard lock(under_way_->mutex);
    if (under_way_->keys.size() >= kMostAtOnce) return;
    if (!under_way_->keys.insert(key_hash).second) return;
  }
  const auto write = [key_hash, now](store::WriteView& view) {
    if (auto found = find_key(view, key_hash)) note_report_of(view, *found, now);
  };
  const auto ended = [under_way = under_way_, key_hash](store::CommitOutcome) {
    const std::lock_guard lock(under_way->mutex);
    under_way->keys.erase(key_hash);
  };
  parts_.store.submit(store::make_job(write, ended));
}

}  // namespace certline::service
