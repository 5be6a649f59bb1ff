// The table of the routes, made from the commands' rows, the API's own two routes and the pages.
// Routing, the OpenAPI document and REST.md's list read it from here; parse.cpp is next on the way.
#include "protocol/rest/routes.hpp"

#include <algorithm>
#include <array>

#include "protocol/rest/answers.hpp"

namespace certline::rest {
namespace {

// The order of the documents. After the first family come the API's own routes, at the end the
// pages.
constexpr std::array kOrder{Family::daemon, Family::keys,   Family::account,       Family::names,
                            Family::mail,   Family::tokens, Family::administration};

// Fields that are called otherwise than the command's argument.
struct Renamed {
  std::string_view field, argument;
};
constexpr std::array kRenamed{Renamed{"api_key", "apikey"}, Renamed{"certificate", "der"},
                              Renamed{"request_id", ""}};

RestField field_of(std::string_view name, RestPlace place) {
  const bool optional = name.ends_with('?');
  if (optional) name.remove_suffix(1);
  const auto* const renamed = std::find_if(kRenamed.begin(), kRenamed.end(),
                                           [&](const Renamed& row) { return row.field == name; });
  return {name, renamed == kRenamed.end() ? name : renamed->argument, place, optional};
}

// The one in the path, then the others in the row's order.
std::vector<RestField> fields_of(HttpMethod method, std::string_view path,
                                 std::string_view others) {
  std::vector<RestField> fields;
  if (const std::size_t brace = path.find('{'); brace != path.npos) {
    fields.push_back(field_of(path.substr(brace + 1, path.find('}') - brace - 1), RestPlace::path));
  }
  const bool has_body = method == HttpMethod::post;
  while (!others.empty()) {
    const std::size_t end = std::min(others.find(' '), others.size());
    fields.push_back(
        field_of(others.substr(0, end), has_body ? RestPlace::input : RestPlace::query));
    others.remove_prefix(std::min(end + 1, others.size()));
  }
  return fields;
}

RestRow rest_row(const CommandRow& command, const RouteRow& route) {
  return {.method = route.method,
          .path = route.path,
          .command = route.immediate ? nullptr : &command,
          .summary = route.summary.empty() ? command.summary : route.summary,
          .errors = route.errors,
          .fields = fields_of(route.method, route.path, route.fields),
          .keyed = (command.needs & argument_bit(static_cast<std::size_t>(Argument::apikey))) != 0};
}

void append_pages(std::vector<RestRow>& table) {
  const CommandRow* const confirm = find_command("confirm");
  for (const PageText& page : page_texts()) {
    RestRow row{.method = HttpMethod::get,
                .path = page.path,
                .summary = "a page with a button that posts to the same address",
                .errors = RestErrors::page,
                .fields = fields_of(HttpMethod::get, page.path, {}),
                .purpose = page.purpose};
    table.push_back(row);
    row.method = HttpMethod::post;
    row.command = confirm;
    row.summary = page.summary;
    table.push_back(std::move(row));
  }
}

std::vector<RestRow> make_table() {
  std::vector<RestRow> table;
  for (const Family family : kOrder) {
    for (const CommandRow& command : command_table(family)) {
      for (const RouteRow& route : command.routes) {
        if (!route.path.empty()) table.push_back(rest_row(command, route));
      }
    }
    if (family != kOrder.front()) continue;
    table.push_back({.method = HttpMethod::get,
                     .path = kDocsPath,
                     .summary = "this API as an OpenAPI 3.1 document"});
    table.push_back({.method = HttpMethod::get,
                     .path = kVersionedPath,
                     .summary = "tells where the documentation is; any method"});
  }
  append_pages(table);
  return table;
}

void append_fields(std::string& out, const RestRow& row) {
  bool first = true;
  for (const RestField& field : row.fields) {
    if (field.place == RestPlace::path) continue;
    out += first ? "`" : ", `";
    out += field.name;
    out += field.optional ? "`?" : "`";
    first = false;
  }
  if (first) out += "none";
}

}  // namespace

std::span<const RestRow> rest_table() {
  static const std::vector<RestRow> table = make_table();
  return table;
}

std::string routes_markdown() {
  std::string out =
      "| route | fields | key | what it does | command |\n| --- | --- | --- | --- | --- |\n";
  for (const RestRow& row : rest_table()) {
    out += "| `";
    out += method_name(row.method);
    out += ' ';
    out += row.path;
    out += "` | ";
    append_fields(out, row);
    out += row.keyed ? " | yes | " : " | no | ";
    out += row.summary;
    if (row.command == nullptr) {
      out += " | none |\n";
      continue;
    }
    out += " | `";
    out += row.command->name;
    out += "` |\n";
  }
  return out;
}

}  // namespace certline::rest
