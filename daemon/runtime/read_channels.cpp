// Reads [[channel]]. Each channel is a small table whose keys depend on its kind, so a channel is
// checked as a whole after it is read.
#include "daemon/runtime/read_channels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include "protocol/account_values.hpp"

namespace certline::runtime {
namespace {

std::string read_texts(const toml::node& node, std::vector<std::string>& into) {
  const toml::array* items = node.as_array();
  if (items == nullptr) return "write a list of texts";
  for (const toml::node& item : *items) {
    const auto value = item.value_exact<std::string>();
    if (!value) return "write a list of texts";
    into.push_back(*value);
  }
  return {};
}

// One key of [[channel]].
std::string read_channel_key(ChannelConfig& channel, std::string_view key, const toml::node& node) {
  static constexpr std::pair<std::string_view, std::string ChannelConfig::*> kTexts[] = {
      {"name", &ChannelConfig::name},
      {"account", &ChannelConfig::account},
      {"to", &ChannelConfig::to},
      {"url", &ChannelConfig::url},
      {"user", &ChannelConfig::user},
      {"secret_file", &ChannelConfig::secret_file},
      {"trust_file", &ChannelConfig::trust_file},
  };
  static constexpr std::array<std::string_view, 3> kKinds{"email", "webhook", "program"};
  static constexpr std::array<std::string_view, 3> kForms{"json", "slack", "ntfy"};
  const auto index_in = [&node](const auto& names) {
    const auto value = node.value_exact<std::string>();
    const auto* const at = std::find(names.begin(), names.end(), value.value_or(""));
    return static_cast<std::size_t>(at - names.begin());
  };
  for (const auto& [name, member] : kTexts) {
    if (name != key) continue;
    const auto value = node.value_exact<std::string>();
    if (!value) return "write a text in quotes";
    channel.*member = *value;
    return {};
  }
  if (key == "kind" || key == "form") {
    const auto& names = key == "kind" ? kKinds : kForms;
    const std::size_t index = index_in(names);
    if (index == names.size()) {
      return fmt::format("write one of \"{}\"", fmt::join(names, "\", \""));
    }
    if (key == "kind") channel.kind = ChannelKind(index);
    if (key == "form") channel.form = WebhookForm(index);
    return {};
  }
  if (key == "command") return read_texts(node, channel.command);
  if (key != "timeout_s") return "unknown key; certlined.toml lists the known ones";
  const auto seconds = node.value_exact<std::int64_t>();
  if (!seconds || *seconds < 1 || *seconds > 60) return "write a whole number from 1 to 60";
  channel.timeout_s = static_cast<std::uint32_t>(*seconds);
  return {};
}

}  // namespace

Result<ChannelConfig> check_channel(ChannelConfig channel) {
  const auto invalid = [](std::string detail) {
    return Error{ErrorKind::invalid_value, std::move(detail)};
  };
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  if (channel.name.empty() || channel.name.size() > 32 || channel.name == "mail" ||
      !std::all_of(channel.name.begin(), channel.name.end(), plain)) {
    return invalid("name: write 1 to 32 of a-z, 0-9 and -, other than \"mail\"");
  }
  for (std::string* address : {&channel.account, &channel.to}) {
    if (address->empty()) continue;
    const auto email = Email::parse(*address);
    if (!email) return email.error();
    *address = email->text();
  }
  switch (channel.kind) {
    case ChannelKind::email:
      if (channel.to.empty()) return invalid("to: write the address");
      break;
    case ChannelKind::webhook:
      if (!channel.url.starts_with("https://") && !channel.url.starts_with("http://")) {
        return invalid("url: write an address that begins with https:// or http://");
      }
      break;
    case ChannelKind::program:
      if (channel.command.empty() || !channel.command.front().starts_with('/')) {
        return invalid("command: write a list, the program's whole path first");
      }
      break;
  }
  return channel;
}

std::string read_channels(std::vector<ChannelConfig>& channels, const toml::node& node) {
  const toml::array* rows = node.as_array();
  if (rows == nullptr) return "write it as [[channel]]";
  for (const toml::node& row : *rows) {
    const toml::table* table = row.as_table();
    if (table == nullptr) return "write it as [[channel]]";
    ChannelConfig channel;
    for (const auto& [key, value] : *table) {
      const std::string problem = read_channel_key(channel, key.str(), value);
      if (!problem.empty()) return fmt::format("{}: {}", key.str(), problem);
    }
    const auto checked = check_channel(channel);
    if (!checked) return checked.error().detail;
    for (const ChannelConfig& other : channels) {
      if (other.name == channel.name) return "two are called " + quoted(channel.name);
    }
    channels.push_back(*checked);
  }
  return {};
}

}  // namespace certline::runtime
