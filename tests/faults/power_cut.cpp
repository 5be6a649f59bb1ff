// power_cut TRACE IMAGE [unsynced|early]: replays a trace into a copy of the store as it was
// before, and cuts the power after each call and within it. Sectors that no sync has covered are
// there or not, by chance. The store must open from each image, with every name whose addition was
// acknowledged and none whose removal was.
//
// A third argument makes the disk or the daemon lie: with "unsynced", syncs do nothing; with
// "early", a client gets its answer before anything is done. Then the check must find losses, else
// it is worthless. It prints what it found. The exit status is 0 without a loss, 1 with losses.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "daemon/runtime/entropy.hpp"
#include "pki/digest.hpp"
#include "protocol/domain.hpp"
#include "store/lmdb/open.hpp"
#include "store_trace.hpp"

namespace {

using namespace certline;
using namespace certline::runtime;
using namespace certline::faults;

constexpr std::size_t kSector = 512;  // what a disk writes whole
constexpr int kTurns = 6;             // random images of each cut, besides "all" and "nothing"
constexpr std::size_t kEnough = 20;   // losses that make the point

using Image = std::string;

struct Promised {
  std::string key, id;
};

// What clients know at a cut.
class Knowledge {
 public:
  explicit Knowledge(bool early) : early_(early) {}

  void note(const Promise& promise) {
    const bool tells = promise.kind == Promise::Kind::added ||
                       (early_ && promise.kind == Promise::Kind::add_asked);
    if (tells && !present_.contains(promise.name) && !leaving_.contains(promise.name))
      present_[promise.name] = {promise.key, promise.id};
    if (promise.kind == Promise::Kind::remove_asked) {
      present_.erase(promise.name);
      leaving_[promise.name] = {promise.key, {}};
    }
    if (promise.kind == Promise::Kind::removed) absent_[promise.name] = {promise.key, {}};
  }
  const std::map<std::string, Promised>& present() const { return present_; }
  const std::map<std::string, Promised>& absent() const { return absent_; }

 private:
  const bool early_;
  std::map<std::string, Promised> present_, leaving_, absent_;
};

void put(Image& image, std::uint64_t at, const char* bytes, std::size_t size) {
  if (image.size() < at + size) image.resize(at + size, '\0');
  std::memcpy(image.data() + at, bytes, size);
}

// The sectors of `written` that chance picks.
void put_some(Image& image, const Written& written, std::mt19937& random) {
  const std::uint64_t end = written.offset + written.bytes.size();
  for (std::uint64_t at = written.offset; at < end;) {
    const std::uint64_t next = std::min((at / kSector + 1) * kSector, end);
    if (random() % 2 == 0) put(image, at, written.bytes.data() + (at - written.offset), next - at);
    at = next;
  }
}

std::optional<WatchRecord> find(const store::ReadView& view, const std::string& name,
                                const std::string& key) {
  const auto owner = view.keys.find(pki::sha256(key));
  if (!owner) return std::nullopt;
  return view.watches.find(owner->account, Domain::parse(name).value().canonical());
}

class Replay {
 public:
  Replay(Image initial, bool unsynced, bool early)
      : durable_(std::move(initial)), knows_(early), unsynced_(unsynced) {
    std::string path = (std::filesystem::temp_directory_path() / "certline-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) throw std::runtime_error("no temporary directory");
    scratch_ = path;
  }
  ~Replay() { std::filesystem::remove_all(scratch_); }
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  void run(const std::vector<Event>& events) {
    cut();
    for (const Event& event : events) {
      if (losses >= kEnough) return;
      if (const auto* promise = std::get_if<Promise>(&event)) {
        knows_.note(*promise);
        cut_once(durable_);
        continue;
      }
      if (std::holds_alternative<Synced>(event) && !unsynced_) settle();
      if (const auto* written = std::get_if<Written>(&event)) take(*written);
      cut();
    }
  }

  std::size_t images = 0, losses = 0, names = 0;
  std::string first_loss;

 private:
  void take(const Written& written) {
    pending_.push_back(written);
    if (!written.durable) return;
    cut();  // while it is under way
    put(durable_, written.offset, written.bytes.data(), written.bytes.size());
    pending_.pop_back();
  }

  void settle() {
    for (const Written& w : pending_) put(durable_, w.offset, w.bytes.data(), w.bytes.size());
    pending_.clear();
  }

  void cut() {
    cut_once(durable_);
    if (pending_.empty()) return;
    Image all = durable_;
    for (const Written& w : pending_) put(all, w.offset, w.bytes.data(), w.bytes.size());
    cut_once(all);
    for (int turn = 0; turn < kTurns; ++turn) {
      Image some = durable_;
      for (const Written& w : pending_) put_some(some, w, random_);
      cut_once(some);
    }
  }

  void cut_once(const Image& image) {
    ++images;
    const std::string what = complaint(image);
    if (what.empty()) return;
    if (losses++ == 0) first_loss = what;
  }

  std::string complaint(const Image& image) {
    const std::string data = scratch_ + "/data.mdb";
    std::filesystem::remove(scratch_ + "/lock.mdb");
    std::ofstream(data, std::ios::binary | std::ios::trunc) << image;
    store::lmdb::StoreSettings settings;
    settings.path = scratch_;
    settings.map_size = 64ull << 20;
    try {
      const auto store = store::lmdb::open(settings);
      if (!store) return "the store doesn't open: " + store.error().detail;
      return compare((*store)->read());
    } catch (const std::exception& failure) {
      return failure.what();
    }
  }

  std::string compare(const store::ReadView& view) {
    for (const auto& [name, promised] : knows_.present()) {
      ++names;
      const auto watch = find(view, name, promised.key);
      if (!watch || !view.endpoints.find(watch->endpoint)) return name + " is lost";
      if (!promised.id.empty() && runtime::uuid_text(watch->id) != promised.id)
        return name + " has another id";
    }
    for (const auto& [name, promised] : knows_.absent())
      if (find(view, name, promised.key)) return name + " has come back";
    return {};
  }

  Image durable_;
  std::vector<Written> pending_;
  Knowledge knows_;
  const bool unsynced_;
  std::string scratch_;
  std::mt19937 random_{20'240'613};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::string lie = argc > 3 ? argv[3] : "";
  try {
    std::ifstream in(argv[2], std::ios::binary);
    Image initial{std::istreambuf_iterator<char>(in), {}};
    const auto events = read_trace(argv[1]);
    Replay replay(std::move(initial), lie == "unsynced", lie == "early");
    replay.run(events);
    const auto kept = std::count_if(events.begin(), events.end(), [](const Event& event) {
      const auto* promise = std::get_if<Promise>(&event);
      return promise != nullptr && promise->kind == Promise::Kind::added;
    });
    std::printf(
        "%zu events, %ld names acknowledged, %zu images, %zu names looked for, %zu losses\n",
        events.size(), static_cast<long>(kept), replay.images, replay.names, replay.losses);
    if (replay.losses > 0) std::printf("first: %s\n", replay.first_loss.c_str());
    return replay.losses == 0 ? 0 : 1;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "power_cut: %s\n", failure.what());
    return 2;
  }
}
