// Store images with flipped bits, zeroed and exchanged pages, and cut ends. A process of its own
// opens each, reads it through every query, writes to it and reads it again. Every answer must be
// the sound image's or an error, and no process may crash.
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <random>
#include <set>

#include "store/lmdb/page_check.hpp"
#include "tests/unit/store/samples.hpp"

namespace {

using namespace certline;
using namespace certline::store;
using namespace certline::store::test;
using namespace certline::store::lmdb;

constexpr std::size_t kPage = 4096;
constexpr EndpointId kEndpoints = 150;
constexpr AccountId kAccounts = 20;
constexpr EndpointId kAdded = 1000, kRemoved = 11;
constexpr unsigned kHangs = 60;  // seconds
constexpr UtcTime kNow = 1'700'000'000;

std::string name_of(EndpointId id) {
  return sample_endpoint(id).host + ":5432";
}

AccountId owner_of(EndpointId id) {
  return 1 + id % kAccounts;
}

void put_everything_of(WriteView& view, EndpointId id) {
  EndpointRecord endpoint = sample_endpoint(id);
  endpoint.watchers = 1;
  endpoint.next_scan_utc = kNow + static_cast<UtcTime>(id);
  view.endpoints.put(endpoint);
  view.watches.put(owner_of(id), name_of(id), sample_watch(id));
  const auto n = static_cast<std::uint32_t>(id);
  AddressRecord address = sample_address(n % 200);
  address.chain = {hash(n), hash(7)};
  const std::size_t size = n % 10 == 0 ? 9000 : 300;  // some on pages of their own
  view.addresses.put(id, address, {{hash(n), der(n, size)}, {hash(7), der(7, 700)}}, kNow);
  HistoryRecord change = sample_history(n % 200, kNow + static_cast<UtcTime>(id));
  change.leaf_before.reset();
  change.leaf_after = hash(n);
  view.history.append(id, change);
  view.incidents.put_alerts(id, sample_alert_state());
}

IncidentKey incident_of(AccountId id) {
  return sample_incident_key(id, static_cast<std::uint8_t>(id));
}

void put_everything_of_account(WriteView& view, AccountId id) {
  const auto n = static_cast<std::uint32_t>(id);
  view.accounts.put(sample_account(id));
  view.keys.put(hash(n), sample_key(id));
  view.certificates.put_intermediate(hash(500 + n), der(n, 1200));
  view.tokens.put(hash(n), sample_token());
  view.audit.append(sample_audit(kNow + static_cast<UtcTime>(id)));
  view.accounts.count_opened(kNow / 86'400, IpAddress::v4(n));
  view.incidents.put(incident_of(id), sample_incident());
  view.deliveries.put(sample_delivery(view.deliveries.new_id()));
  view.alarms.set({kNow + static_cast<UtcTime>(id % 7), AlarmKind::tell, alarm_about(id)});
}

// Written in several commits, with removals among them: free pages, and tables of several levels.
void populate(const std::string& path) {
  const auto store = lmdb::open(settings(path)).value();
  store->write([](WriteView& view) {
    for (AccountId id = 1; id <= kAccounts; ++id) put_everything_of_account(view, id);
  });
  for (EndpointId id = 1; id <= kEndpoints + 30; id += 10)
    store->write([&](WriteView& view) {
      for (EndpointId i = id; i < id + 10; ++i) put_everything_of(view, i);
    });
  store->write([](WriteView& view) {
    for (EndpointId id = kEndpoints + 1; id <= kEndpoints + 30; ++id) {
      view.watches.remove(owner_of(id), name_of(id));
      view.endpoints.remove(id);
    }
  });
  store->write([](WriteView& view) { put_everything_of(view, 5); });
}

using Answers = std::vector<std::string>;
const std::string kError = "error";

std::string bytes(const Sha256& hash) {
  return {hash.begin(), hash.end()};
}

template <class Record>
std::string shown(const std::optional<Record>& record) {
  return record ? encode(*record) : "none";
}

std::string shown(const std::optional<std::uint64_t>& id) {
  return id ? std::to_string(*id) : "none";
}

class Asking {
 public:
  explicit Asking(const Store& store) : store_(store) {}

  template <class Query>
  void ask(const Query& query) {
    try {
      const ReadView view = store_.read();
      answers_.push_back(query(view));
    } catch (const StoreFailure&) {
      answers_.push_back(kError);
    } catch (const CorruptValue&) {
      answers_.push_back(kError);
    }
  }

  void about(EndpointId id) {
    const auto n = static_cast<std::uint32_t>(id);
    const IpAddress address = sample_address(n % 200).address;
    ask([&](const ReadView& v) { return shown(v.endpoints.find(id)); });
    ask([&](const ReadView& v) { return encode(v.incidents.alerts(id)); });
    ask([&](const ReadView& v) {
      return shown(v.endpoints.named(sample_endpoint(id).host, 5432, Starttls::postgres));
    });
    ask([&](const ReadView& v) { return shown(v.watches.find(owner_of(id), name_of(id))); });
    ask([&](const ReadView& v) { return shown(v.addresses.find(id, address)); });
    ask([&](const ReadView& v) { return shown(v.certificates.find(hash(n))); });
    ask([&](const ReadView& v) {
      std::string out;
      for (const auto& record : v.addresses.of(id)) out += encode(record);
      for (const auto& record : v.history.of(id)) out += encode(record);
      for (const auto& [account, name] : v.watches.on(id).first(100))
        out += std::to_string(account) + name + "\n";
      return out;
    });
  }

  void about_account(AccountId id) {
    const std::string text = std::to_string(id);
    ask([&](const ReadView& v) { return shown(v.accounts.find(id)); });
    ask([&](const ReadView& v) {
      return shown(v.keys.find(hash(static_cast<std::uint32_t>(id))));
    });
    ask([&](const ReadView& v) { return shown(v.accounts.by_email("a" + text + "@example.org")); });
    ask([&](const ReadView& v) {
      std::string out;
      for (const auto& [name, watch] : v.watches.of(id, "").first(1000))
        out += name + encode(watch);
      return out;
    });
    ask([&](const ReadView& v) {
      std::string out;
      for (const auto& [tag, key] : v.keys.of(id, {}).first(1000)) out += hex(tag) + encode(key);
      return out;
    });
    ask([&](const ReadView& v) {
      return shown(v.tokens.find(hash(static_cast<std::uint32_t>(id))));
    });
    ask([&](const ReadView& v) {
      const IpAddress source = IpAddress::v4(static_cast<std::uint32_t>(id));
      return std::to_string(v.accounts.opened(kNow / 86'400, source));
    });
    ask([&](const ReadView& v) {
      std::string out;
      for (const auto& [key, incident] : v.incidents.of(id).first(1000))
        out += std::to_string(key.stage) + encode(incident);
      for (const auto& [key, incident] : v.incidents.about(id, EventKind::verdict, hash(4)))
        out += std::to_string(key.stage) + encode(incident);
      return out;
    });
    ask([&](const ReadView& v) { return shown(v.deliveries.find(id)); });
  }

  void about_all_accounts() {
    ask([](const ReadView& v) {
      std::string out;
      for (const AccountRecord& account : v.accounts.all(0).first(1000)) out += encode(account);
      return out;
    });
    for (const char* email : {"c0@example.org", "c1@example.org", "c2@example.org"})
      ask([&](const ReadView& v) {
        std::string out;
        for (const AccountId id : v.accounts.claiming(email).first(1000))
          out += std::to_string(id) + " ";
        return out;
      });
    ask([](const ReadView& v) {
      std::string out;
      for (const auto& [half, token] : v.tokens.all({}).first(1000))
        out += hex(half) + encode(token);
      return out;
    });
    ask([](const ReadView& v) {
      std::string out;
      for (const auto& [number, row] : v.audit.all(0).first(1000))
        out += std::to_string(number) + encode(row);
      return out;
    });
    ask([](const ReadView& v) {
      std::string out;
      for (const DeliveryRecord& delivery : v.deliveries.all(0).first(1000))
        out += encode(delivery);
      return out;
    });
    ask([](const ReadView& v) {
      std::string out;
      for (const Alarm& alarm : v.alarms.until(kNow + 5).first(1000))
        out += std::to_string(alarm.at_utc) + std::to_string(number_of(alarm)) + "\n";
      return out;
    });
    ask([](const ReadView& v) { return bytes(v.secret()); });
  }

  Answers everything() {
    for (EndpointId id = 1; id <= kEndpoints + 30; ++id) about(id);
    about(kAdded);
    for (AccountId id = 1; id <= kAccounts; ++id) about_account(id);
    about_all_accounts();
    ask([](const ReadView& v) {
      std::string out;
      for (const auto& [hash, der] : v.certificates.intermediates())
        out += bytes(hash) + std::string(der.begin(), der.end());
      return out;
    });
    ask([](const ReadView& v) {
      std::string out;
      for (const DueEntry& e : v.endpoints.due({}, kNow * 2).first(10'000))
        out += std::to_string(e.due_utc) + " " + std::to_string(e.endpoint) + "\n";
      return out;
    });
    ask([](const ReadView& v) { return std::to_string(v.endpoints.due_count(kNow + 70)); });
    ask([](const ReadView& v) {
      const Counts c = v.counts();
      std::string out;
      for (const auto n : {c.accounts, c.keys, c.watches, c.endpoints, c.certificates, c.addresses})
        out += std::to_string(n) + " ";
      return out;
    });
    return std::move(answers_);
  }

 private:
  const Store& store_;
  Answers answers_;
};

struct Course {
  bool opened = false, written = false;
  Answers before, after, again;
};

// Read, written to, read, closed, read.
Course live_through(const std::string& path) {
  Course out;
  {
    const auto store = lmdb::open(settings(path));
    if (!store) return out;
    out.opened = true;
    out.before = Asking(**store).everything();
    out.written = (*store)->write([](WriteView& view) {
      put_everything_of(view, kAdded);
      view.watches.remove(owner_of(kRemoved), name_of(kRemoved));
      view.endpoints.remove(kRemoved);
      view.keys.put(hash(3), sample_key(4));
      view.keys.remove(half_of(hash(5)));
      view.accounts.remove(6);
      view.tokens.remove(half_of(hash(7)));
      view.audit.append(sample_audit());
      view.incidents.remove(incident_of(8));
      view.deliveries.remove(9);
      view.alarms.clear({kNow + 3, AlarmKind::tell, alarm_about(10)});
    }) == CommitOutcome::committed;
    out.after = Asking(**store).everything();
  }
  const auto store = lmdb::open(settings(path));
  if (store) out.again = Asking(**store).everything();
  return out;
}

enum class Outcome : std::uint8_t { right = 10, some_errors, refused, wrong, crashed };

Outcome judge(const Course& sound, const Course& course) {
  if (!course.opened) return Outcome::refused;
  bool errors = !course.written;
  const auto agrees = [&](const Answers& got, const Answers& wanted) {
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (got[i] == kError) errors = true;
      if (got[i] != kError && got[i] != wanted[i]) return false;
    }
    return true;
  };
  const Answers& since = course.written ? sound.after : sound.before;
  if (!agrees(course.before, sound.before) || !agrees(course.after, since)) return Outcome::wrong;
  if (course.again.empty()) return Outcome::some_errors;
  if (!agrees(course.again, since)) return Outcome::wrong;
  return errors ? Outcome::some_errors : Outcome::right;
}

// Thousands of commits that need not outlive the machine.
std::filesystem::path memory_directory() {
  const std::filesystem::path memory = "/dev/shm";
  return ::access(memory.c_str(), W_OK) == 0 ? memory : std::filesystem::temp_directory_path();
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class Trial {
 public:
  explicit Trial(const Scratch& scratch) : scratch_(scratch) {
    populate(scratch / "sound");
    image = read_file(scratch / "sound/data.mdb");
    sound_ = live_through(scratch / "sound");
    REQUIRE((sound_.opened && sound_.written));
    REQUIRE(sound_.again == sound_.after);
    REQUIRE(std::ranges::find(sound_.after, kError) == sound_.after.end());
  }

  void run(const std::string& damaged, const std::string& what) {
    const std::string path = scratch_ / "damaged";
    std::filesystem::remove_all(path);
    std::filesystem::create_directory(path);
    std::ofstream(path + "/data.mdb", std::ios::binary) << damaged;
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::alarm(kHangs);
      ::_exit(static_cast<int>(judge(sound_, live_through(path))));
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    const bool ended =
        code >= static_cast<int>(Outcome::right) && code <= static_cast<int>(Outcome::wrong);
    const Outcome outcome = ended ? static_cast<Outcome>(code) : Outcome::crashed;
    ++count_[static_cast<std::size_t>(outcome) - static_cast<std::size_t>(Outcome::right)];
    INFO(what);
    CHECK(outcome != Outcome::wrong);
    CHECK(outcome != Outcome::crashed);
  }

  void flip(std::size_t at, unsigned bit) {
    std::string damaged = image;
    damaged[at] = static_cast<char>(damaged[at] ^ (1u << bit));
    run(damaged, "page " + std::to_string(at / kPage) + ", byte " + std::to_string(at % kPage) +
                     ", bit " + std::to_string(bit));
  }

  std::string counts() const {
    return std::to_string(count_[0]) + " as if nothing were, " + std::to_string(count_[1]) +
           " with errors for some rows, " + std::to_string(count_[2]) + " refused, " +
           std::to_string(count_[3]) + " wrong, " + std::to_string(count_[4]) + " crashed";
  }

  std::string image;

 private:
  const Scratch& scratch_;
  Course sound_;
  std::array<int, 5> count_{};
};

}  // namespace

TEST_CASE("flipped bits: an error or the right answer") {
  const Scratch scratch(memory_directory());
  Trial trial(scratch);
  std::mt19937 random(1);
  const std::size_t pages = trial.image.size() / kPage;
  for (std::size_t at = 0; at < 152; at += 2) {  // the newest snapshot's description, and the other
    trial.flip(at, static_cast<unsigned>(random() % 8));
    trial.flip(kPage + at, static_cast<unsigned>(random() % 8));
  }
  for (std::size_t page = 2; page < pages; page += 2)  // each page's frame
    trial.flip(page * kPage + random() % 24, static_cast<unsigned>(random() % 8));
  for (int i = 0; i < 250; ++i)
    trial.flip(random() % trial.image.size(), static_cast<unsigned>(random() % 8));
  std::cout << pages << " pages; bits flipped: " << trial.counts()
            << std::endl;  // now: later tests fork
}

TEST_CASE("pages zeroed, exchanged and cut off: an error or the right answer") {
  const Scratch scratch(memory_directory());
  Trial trial(scratch);
  std::mt19937 random(2);
  const std::size_t pages = trial.image.size() / kPage;
  const auto page = [&](std::size_t number) { return trial.image.substr(number * kPage, kPage); };
  for (std::size_t number = 0; number < pages; number += 4) {
    std::string damaged = trial.image;
    damaged.replace(number * kPage, kPage, std::string(kPage, '\0'));
    trial.run(damaged, "page zeroed: " + std::to_string(number));
    const std::size_t other = random() % pages;
    damaged.replace(number * kPage, kPage, page(other));
    trial.run(damaged, "page " + std::to_string(number) + " as " + std::to_string(other));
  }
  for (std::size_t size = 1; size < trial.image.size(); size += trial.image.size() / 17)
    trial.run(trial.image.substr(0, size), "cut to " + std::to_string(size));
  std::cout << pages << " pages; zeroed, exchanged, cut: " << trial.counts()
            << std::endl;  // now: later tests fork
}

TEST_CASE("the page check finds nothing wrong with a store in use") {
  const Scratch scratch(memory_directory());
  const std::string path = scratch / "s";
  const auto store = lmdb::open(settings(path)).value();
  const auto environment =
      Environment::open(path, 0, Environment::Mode::read_write).value();  // the same one
  std::mt19937 random(3);
  std::set<EndpointId> there;
  int checks = 0;
  for (int turn = 0; turn < 400; ++turn) {
    const bool grows = turn / 50 % 2 == 0;  // to thousands of rows, and to none, again and again
    REQUIRE(store->write([&](WriteView& view) {
      for (int i = 0; i < 30; ++i) {
        const EndpointId id = 1 + random() % 900;
        if (grows || random() % 8 == 0) {
          put_everything_of(view, id);
          there.insert(id);
        } else if (const auto next = there.lower_bound(id); next != there.end()) {
          view.watches.remove(owner_of(*next), name_of(*next));
          view.endpoints.remove(*next);
          there.erase(next);
        }
      }
    }) == CommitOutcome::committed);
    REQUIRE_NOTHROW(check_pages(path + "/data.mdb", *environment));
    ++checks;
  }
  CHECK(checks == 400);
}
