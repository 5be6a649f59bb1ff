// The command line of certlined. Each subcommand takes its options here and does its work in
// daemon/commands/; `serve` goes on in process.cpp.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>

#include "daemon/commands/admin_command.hpp"
#include "daemon/commands/notify_command.hpp"
#include "daemon/commands/scan_command.hpp"
#include "daemon/process.hpp"
#include "daemon/runtime/config.hpp"
#include "daemon/runtime/version.hpp"
#include "pki/verdict.hpp"
#include "store/lmdb/open.hpp"

namespace {

using namespace certline;

constexpr int kUsage = 2;

int fail(const Error& error, int status = 1) {
  std::cerr << "certlined: " << error.detail << '\n';
  return status;
}

// The file named, else the default one where it exists, else the built-in defaults.
std::string config_file(const std::string& named) {
  if (!named.empty()) return named;
  return std::filesystem::exists(runtime::kDefaultConfigFile) ? runtime::kDefaultConfigFile : "";
}

Result<runtime::Config> config_of(const std::string& named) {
  const std::string file = config_file(named);
  return file.empty() ? Result<runtime::Config>(runtime::Config{}) : runtime::load_config(file);
}

int check_config(const std::string& named) {
  const auto config = config_of(named);
  if (!config) return fail(config.error());
  if (const auto trust = pki::TrustStore::load(config->trust_file()); !trust) {
    return fail(trust.error());
  }
  std::cout << "the configuration is fine\n";
  return 0;
}

using StoreTool = Result<void> (*)(const store::lmdb::StoreSettings&, const std::string&);

int run_store_tool(StoreTool tool, const std::string& named, const std::string& dir,
                   const char* done) {
  const auto config = config_of(named);
  if (!config) return fail(config.error());
  const auto result = tool({config->store.path, config->store.map_size, false}, dir);
  if (!result) return fail(result.error());
  std::cout << done << ' ' << dir << '\n';
  return 0;
}

int scan(commands::ScanCommand command, const std::string& named) {
  if (!named.empty()) {
    auto config = runtime::load_config(named);
    if (!config) return fail(config.error(), kUsage);
    command.config = std::move(*config);
  }
  return commands::run_scan(command, std::cout, std::cerr);
}

int admin(const commands::AdminCommand& command, const std::string& named) {
  const auto config = config_of(named);
  if (!config) return fail(config.error());
  return commands::run_admin(command, *config, std::cout, std::cerr);
}

int notify(commands::NotifyCommand command, const std::string& named) {
  auto config = config_of(named);
  if (!config) return fail(config.error());
  command.config = std::move(*config);
  return commands::run_notify(command, std::cout, std::cerr);
}

}  // namespace

int main(int argc, char** argv) {
  daemon::die_in_words();
  CLI::App app{"certlined: certificate monitoring for people who live in a shell"};
  app.require_subcommand(1);
  std::string config, dir, starttls;
  commands::ScanCommand command;
  const auto with_config = [&config](CLI::App* sub) {
    sub->add_option("--config", config, "configuration file (TOML)")->type_name("FILE");
    return sub;
  };
  auto* serve = with_config(app.add_subcommand("serve", "run the daemon in the foreground"));
  auto* check = with_config(app.add_subcommand("check-config", "check the configuration"));
  auto* backup = with_config(app.add_subcommand("backup", "copy the store, also while it is used"));
  backup->add_option("dir", dir, "directory to write, new or empty")->required();
  auto* restore = with_config(
      app.add_subcommand("restore", "replace the store's contents, also while it is used"));
  restore->add_option("dir", dir, "directory that backup wrote")->required();
  auto* scan_once = with_config(app.add_subcommand("scan", "look at a name once and print it"));
  scan_once->add_option("name", command.name, "host, host:port, [v6]:port or URL")->required();
  scan_once->add_option("--starttls", starttls, "protocol, or none; by default the port's");
  scan_once->add_flag("--json", command.json, "print one JSON document");
  commands::AdminCommand admin_command;
  auto* administer = with_config(app.add_subcommand("admin", "look at accounts and change them"));
  commands::describe_admin(*administer, admin_command);
  commands::NotifyCommand notify_command;
  auto* notify_once = with_config(app.add_subcommand("notify", "try a channel"));
  notify_once->add_option("--test", notify_command.channel, "send a test message by it")
      ->type_name("CHANNEL")
      ->required();
  notify_once->add_option("--to", notify_command.to, "with channel mail: the recipient")
      ->type_name("ADDRESS");
  auto* version = app.add_subcommand("version", "print the version");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  try {
    if (*serve) return daemon::serve(config_file(config));
    if (*check) return check_config(config);
    if (*backup) return run_store_tool(store::lmdb::backup, config, dir, "backed up to");
    if (*restore) return run_store_tool(store::lmdb::restore, config, dir, "restored from");
    if (*scan_once) {
      if (!starttls.empty()) command.starttls = starttls;
      return scan(std::move(command), config);
    }
    if (*administer) return admin(admin_command, config);
    if (*notify_once) return notify(std::move(notify_command), config);
    if (*version) std::cout << "certlined " << runtime::kVersion << '\n';
    return 0;
  } catch (const std::exception& failure) {
    return fail({ErrorKind::internal, failure.what()});
  }
}
