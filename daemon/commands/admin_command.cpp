// `certlined admin`. Each action is one row of a table: the line to send to the daemon, or the
// function that reads the store. Only the daemon writes while it runs, so changes go through it,
// and its reply is printed as it comes. The rows that are read are printed by admin_records.cpp.
#include "daemon/commands/admin_command.hpp"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iomanip>
#include <ostream>

#include "daemon/service/account_rows.hpp"
#include "store/lmdb/open.hpp"

namespace certline::commands {
namespace {

constexpr int kAnswerSeconds = 60;  // deleting a large account takes its time
constexpr int kFailed = 1, kUsage = 2;

using Row = std::vector<std::string>;

void print_table(std::ostream& out, const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const Row& row : rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) {
      out << std::left << std::setw(static_cast<int>(widths[i]) + 2) << row[i];
    }
    out << row.back() << '\n';
  }
}

// The connection to a running daemon, for one request.
class DaemonSocket {
 public:
  DaemonSocket() : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  ~DaemonSocket() {
    if (fd_ >= 0) ::close(fd_);
  }
  DaemonSocket(const DaemonSocket&) = delete;
  DaemonSocket& operator=(const DaemonSocket&) = delete;

  Result<std::string> ask(const std::string& path, const std::string& line) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return failed(path, "the path is too long");
    std::copy(path.begin(), path.end(), address.sun_path);
    const timeval patience{kAnswerSeconds, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const auto* const to = reinterpret_cast<const sockaddr*>(&address);
    if (fd_ < 0 || ::connect(fd_, to, sizeof address) != 0) {
      return failed(path, std::strerror(errno));
    }
    const std::string request = line + '\n';
    if (::send(fd_, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size())) {
      return failed(path, std::strerror(errno));
    }
    return read_status(path);
  }

 private:
  static Error failed(const std::string& path, std::string_view why) {
    return {ErrorKind::unavailable, "cannot ask the daemon at " + path + ": " + std::string(why) +
                                        "; is it running, and line.socket the same?"};
  }

  // The text of the status line.
  Result<std::string> read_status(const std::string& path) const {
    std::string said;
    std::array<char, 1024> some{};
    std::size_t at = said.npos;
    while (at == said.npos || said.find('\n', at) == said.npos) {
      const ssize_t got = ::recv(fd_, some.data(), some.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return failed(path, std::strerror(errno));
      if (got == 0) return failed(path, "it closed without an answer");
      said.append(some.data(), static_cast<std::size_t>(got));
      at = said.starts_with("status ") ? 0 : said.find("\nstatus ");
    }
    if (at > 0) ++at;
    const std::string line = said.substr(at, said.find('\n', at) - at);
    const std::string_view ok = "status ok 200 ";
    if (line.starts_with(ok)) return line.substr(ok.size());
    return Error{ErrorKind::refused, line};
  }

  const int fd_;
};

// What an action needs, checked.
struct Asked {
  const AdminCommand& command;
  const runtime::Config& config;
  std::ostream& out;
};

Result<void> change(const Asked& asked, const std::string& line) {
  const std::string& path =
      asked.command.socket.empty() ? asked.config.line.socket : asked.command.socket;
  if (path.empty()) {
    return Error{ErrorKind::unavailable,
                 "line.socket is empty: the daemon has no Unix socket; set it, or name one with "
                 "--socket"};
  }
  const auto said = DaemonSocket().ask(path, line);
  if (!said) return said.error();
  asked.out << *said << '\n';
  return {};
}

Result<void> change_account(const Asked& asked) {
  std::string line = "command " + asked.command.action + " account " + asked.command.account;
  if (asked.command.action == "quota") line += " names " + std::to_string(asked.command.names);
  return change(asked, line);
}

Result<void> delete_account(const Asked& asked) {
  if (!asked.command.yes) {
    return Error{ErrorKind::invalid_value,
                 "delete cannot be undone; export the account first, then add --yes"};
  }
  return change_account(asked);
}

Result<void> revoke(const Asked& asked) {
  return change(asked, "command revoke key " + asked.command.key);
}

Result<std::unique_ptr<store::Store>> open_store(const Asked& asked) {
  return store::lmdb::open({asked.config.store.path, asked.config.store.map_size, true});
}

Result<void> accounts(const Asked& asked) {
  const auto store = open_store(asked);
  if (!store) return store.error();
  const store::ReadView view = (*store)->read();
  std::vector<Row> rows{{"account", "email", "state", "names", "keys", "quota", "created"}};
  for (const AccountRecord& account : view.accounts.all()) {
    if (asked.command.json) {
      asked.out << account_json(view, account, asked.config) << '\n';
      continue;
    }
    const AccountRow row = service::account_row(view, account, asked.config);
    const std::string& claimed = account.claimed_email;
    rows.push_back({std::to_string(row.id),
                    !row.email.empty() ? row.email
                    : claimed.empty()  ? "-"
                                       : claimed + " (not confirmed)",
                    std::string(row.state), std::to_string(row.names), std::to_string(row.keys),
                    std::to_string(row.quota), time_text(row.created_utc)});
  }
  if (!asked.command.json) print_table(asked.out, rows);
  return {};
}

Result<AccountRecord> named_account(const Asked& asked, const store::ReadView& view) {
  const auto name = parse_account_name(asked.command.account);
  if (!name) return name.error();
  return service::find_account(view, *name);
}

Result<void> keys(const Asked& asked) {
  const auto store = open_store(asked);
  if (!store) return store.error();
  const store::ReadView view = (*store)->read();
  const auto account = named_account(asked, view);
  if (!account) return account.error();
  std::vector<Row> rows{{"key", "state", "names", "source", "created", "last seen"}};
  for (const auto& [tag, key] : view.keys.of(account->id)) {
    if (asked.command.json) {
      asked.out << key_json(tag, key) << '\n';
      continue;
    }
    const KeyRow row = service::key_row(tag, key);
    rows.push_back({hex(row.key), std::string(row.state), std::to_string(row.names),
                    key.source == IpAddress{} ? "-" : key.source.to_string(),
                    time_text(row.created_utc), time_text(row.last_seen_utc)});
  }
  if (!asked.command.json) print_table(asked.out, rows);
  return {};
}

Result<void> dead_letters(const Asked& asked) {
  const auto store = open_store(asked);
  if (!store) return store.error();
  const store::ReadView view = (*store)->read();
  std::vector<Row> rows{{"id", "channel", "event", "created", "reason"}};
  for (const DeliveryRecord& delivery : view.deliveries.all()) {
    if (!delivery.dead) continue;
    if (asked.command.json) {
      asked.out << dead_letter_json(delivery) << '\n';
      continue;
    }
    const DeadLetterRow row = service::dead_letter_row(delivery);
    rows.push_back(
        {std::to_string(row.id), row.channel, row.event, time_text(row.created_utc), row.reason});
  }
  if (!asked.command.json) print_table(asked.out, rows);
  return {};
}

Result<void> audit(const Asked& asked) {
  const auto store = open_store(asked);
  if (!store) return store.error();
  const store::ReadView view = (*store)->read();
  for (const auto& [number, record] : view.audit.all(asked.command.after)) {
    asked.out << audit_json(number, record) << '\n';
  }
  return {};
}

Result<void> export_one(const Asked& asked) {
  const auto store = open_store(asked);
  if (!store) return store.error();
  const store::ReadView view = (*store)->read();
  const auto account = named_account(asked, view);
  if (!account) return account.error();
  export_account(view, *account, asked.config, asked.out);
  return {};
}

enum class Takes : std::uint8_t { nothing, account, key, names };
struct ActionRow {
  const char* name;
  const char* summary;
  Takes takes;
  bool lists;  // has --json
  Result<void> (*run)(const Asked&);
};
constexpr std::array kActions{
    ActionRow{"accounts", "list the accounts", Takes::nothing, true, accounts},
    ActionRow{"keys", "list an account's keys", Takes::account, true, keys},
    ActionRow{"revoke", "make a key worthless", Takes::key, false, revoke},
    ActionRow{"verify", "take an account and its keys for confirmed", Takes::account, false,
              change_account},
    ActionRow{"block", "shut out an account: its keys fail, its names rest", Takes::account, false,
              change_account},
    ActionRow{"unblock", "undo block", Takes::account, false, change_account},
    ActionRow{"quota", "set how many names each key of an account may watch", Takes::names, false,
              change_account},
    ActionRow{"delete", "delete an account with its keys, names and messages", Takes::account,
              false, delete_account},
    ActionRow{"export", "print all that is known of an account, as JSON lines", Takes::account,
              false, export_one},
    ActionRow{"audit", "print who changed what, as JSON lines", Takes::nothing, false, audit},
    ActionRow{"deadletters", "list messages that could not be delivered", Takes::nothing, true,
              dead_letters},
};

// What the daemon would say of an argument, said before it is asked.
Result<void> check_arguments(const AdminCommand& command, Takes takes) {
  if (takes == Takes::account || takes == Takes::names) {
    if (auto name = parse_account_name(command.account); !name) return name.error();
  }
  if (takes == Takes::key) {
    if (auto tag = parse_key_tag(command.key); !tag) return tag.error();
  }
  return {};
}

}  // namespace

void describe_admin(CLI::App& app, AdminCommand& command) {
  app.require_subcommand(1);
  for (const ActionRow& row : kActions) {
    CLI::App* const sub = app.add_subcommand(row.name, row.summary);
    sub->fallthrough();  // --config may stand behind
    sub->callback([&command, name = row.name] { command.action = name; });
    if (row.takes == Takes::account || row.takes == Takes::names) {
      sub->add_option("account", command.account, "number or e-mail address")->required();
    }
    if (row.takes == Takes::key) {
      sub->add_option("key", command.key, "tag, as keys lists it")->required();
    }
    if (row.takes == Takes::names) {
      sub->add_option("names", command.names, "0: as limits.names_per_key says")->required();
    }
    if (row.lists) sub->add_flag("--json", command.json, "print JSON lines");
    if (row.run == delete_account) sub->add_flag("--yes", command.yes, "yes, delete it");
    if (row.run == audit) sub->add_option("--after", command.after, "from the next number on");
  }
  app.add_option("--socket", command.socket, "the daemon's Unix socket, instead of line.socket");
}

int run_admin(const AdminCommand& command, const runtime::Config& config, std::ostream& out,
              std::ostream& err) {
  const auto* const row = std::find_if(kActions.begin(), kActions.end(), [&](const ActionRow& r) {
    return command.action == r.name;
  });
  const auto fail = [&](const Error& error, int status) {
    err << "certlined: " << error.detail << '\n';
    return status;
  };
  if (const auto fine = check_arguments(command, row->takes); !fine) {
    return fail(fine.error(), kUsage);
  }
  if (const auto done = row->run({command, config, out}); !done) {
    return fail(done.error(), done.error().kind == ErrorKind::invalid_value ? kUsage : kFailed);
  }
  return 0;
}

}  // namespace certline::commands
