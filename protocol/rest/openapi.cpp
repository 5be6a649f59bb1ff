// Writes the OpenAPI 3.1 document of the routes. Paths, fields and commands come from the tables.
// Answers are rendered samples, and a schema is what all samples of one answer have in common.
// openapi_samples.cpp is next on the way.
#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <map>

#include "protocol/rest/answers.hpp"
#include "protocol/rest/json_writer.hpp"
#include "protocol/rest/openapi_samples.hpp"
#include "protocol/rest/routes.hpp"

namespace certline::rest {
namespace {

namespace json = boost::json;

constexpr std::string_view kDescription =
    "Watches TLS certificates. Every route has the same effect as its command of the line "
    "protocol. REST.md describes bodies, errors and limits.";

// What is known of a JSON value from samples of it.
class Shape {
 public:
  void learn(const json::value& value);
  void write(JsonWriter& json, std::string_view name = {}) const;

 private:
  void write_object(JsonWriter& json) const;

  std::vector<std::string> types_;
  std::vector<std::string> words_;  // of a `status`: all there are
  std::vector<std::pair<std::string, Shape>> members_;
  std::map<std::string, int> seen_;
  int objects_ = 0;
  std::vector<Shape> items_;  // none or one
};

template <class T>
void add_once(std::vector<T>& list, const T& value) {
  if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
}

std::string type_name(const json::value& value) {
  if (value.is_object()) return "object";
  if (value.is_array()) return "array";
  if (value.is_string()) return "string";
  if (value.is_bool()) return "boolean";
  return value.is_null() ? "null" : "integer";
}

void Shape::learn(const json::value& value) {
  add_once(types_, type_name(value));
  if (const auto* text = value.if_string()) add_once(words_, std::string(*text));
  if (const auto* list = value.if_array()) {
    if (items_.empty()) items_.resize(1);
    for (const json::value& item : *list) items_.front().learn(item);
  }
  const auto* const object = value.if_object();
  if (object == nullptr) return;
  ++objects_;
  for (const auto& member : *object) {
    const std::string name(member.key());
    auto known = std::find_if(members_.begin(), members_.end(),
                              [&](const auto& pair) { return pair.first == name; });
    if (known == members_.end()) known = members_.insert(members_.end(), {name, Shape()});
    known->second.learn(member.value());
    ++seen_[name];
  }
}

void Shape::write_object(JsonWriter& json) const {
  json.key("properties").object();
  for (const auto& [name, shape] : members_) {
    json.key(name);
    shape.write(json, name);
  }
  json.end_object();
  json.key("required").array();
  for (const auto& [name, shape] : members_) {
    if (seen_.at(name) == objects_) json.text(name);
  }
  json.end_array();
}

void Shape::write(JsonWriter& json, std::string_view name) const {
  json.object();
  if (types_.size() == 1) {
    json.text("type", types_.front());
  } else if (!types_.empty()) {
    json.key("type").array();
    for (const std::string& type : types_) json.text(type);
    json.end_array();
  }
  if (const auto text = member_description(name); !text.empty()) json.text("description", text);
  if (name == "status" && !words_.empty()) {
    json.key("enum").array();
    for (const std::string& word : words_) json.text(word);
    json.end_array();
  }
  if (objects_ > 0) write_object(json);
  if (!items_.empty()) {
    json.key("items");
    items_.front().write(json);
  }
  json.end_object();
}

// "get_v1_0_servers_expiration_domain"
std::string operation_id(const RestRow& row) {
  std::string id = ascii_lower(method_name(row.method));
  for (const char c : row.path) {
    const bool kept = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (kept) {
      id += c;
    } else if (c != '}' && id.back() != '_') {
      id += '_';
    }
  }
  while (id.back() == '_') id.pop_back();
  return id;
}

void write_parameters(JsonWriter& json, const RestRow& row) {
  const bool any = std::any_of(row.fields.begin(), row.fields.end(), [](const RestField& field) {
    return field.place != RestPlace::input;
  });
  if (!any) return;
  json.key("parameters").array();
  for (const RestField& field : row.fields) {
    if (field.place == RestPlace::input) continue;
    const FieldForm& form = form_of(field.name);
    json.object().text("name", field.name);
    json.text("in", field.place == RestPlace::path ? "path" : "query");
    json.boolean("required", !field.optional);
    json.text("description", form.description).key("schema").raw(form.schema).end_object();
  }
  json.end_array();
}

void write_body_schema(JsonWriter& json, const RestRow& row) {
  json.object().text("type", "object").key("properties").object();
  const auto property = [&](std::string_view name) {
    const FieldForm& form = form_of(name);
    json.key(name).object().text("description", form.description);
    json.key("allOf").array().raw(form.schema).end_array().end_object();
  };
  if (row.keyed) property("api_key");
  for (const RestField& field : row.fields) {
    if (field.place == RestPlace::input) property(field.name);
  }
  json.end_object().key("required").array();
  for (const RestField& field : row.fields) {
    if (field.place == RestPlace::input && !field.optional) json.text(field.name);
  }
  json.end_array().end_object();
}

void write_request_body(JsonWriter& json, const RestRow& row) {
  const std::string sample = sample_body(row);
  if (sample.empty()) return;
  json.key("requestBody").object().boolean("required", true).key("content").object();
  for (const auto* const type : {"application/json", "application/x-www-form-urlencoded"}) {
    json.key(type).object().key("schema");
    write_body_schema(json, row);
    json.key("example").raw(sample).end_object();
  }
  json.end_object().end_object();
}

// All samples of one status and type.
void write_content(JsonWriter& json, const std::vector<const HttpResponse*>& samples) {
  const std::string_view type = samples.front()->content_type;
  json.key("content").object().key(type.substr(0, type.find(';'))).object().key("schema");
  if (type.starts_with("text/html")) {
    json.object().text("type", "string").end_object();
  } else {
    Shape shape;
    for (const HttpResponse* sample : samples) shape.learn(json::parse(sample->body));
    shape.write(json);
    json.key("examples").object();
    for (std::size_t i = 0; i < samples.size(); ++i) {
      json.key("example" + std::to_string(i + 1)).object().key("value").raw(samples[i]->body);
      json.end_object();
    }
    json.end_object();
  }
  json.end_object().end_object();
}

void write_headers(JsonWriter& json, const std::vector<const HttpResponse*>& samples) {
  std::vector<std::string> names;
  for (const HttpResponse* sample : samples) {
    for (const auto& field : sample->fields) add_once(names, std::string(field.first));
  }
  if (names.empty()) return;
  json.key("headers").object();
  for (const std::string& name : names) {
    json.key(name).object().key("schema").object().text("type", "string").end_object().end_object();
  }
  json.end_object();
}

void write_responses(JsonWriter& json, std::size_t index) {
  const std::vector<HttpResponse> good = sample_successes(index), bad = sample_errors(index);
  std::map<int, std::vector<const HttpResponse*>> by_status;
  for (const auto* const list : {&good, &bad}) {
    for (const HttpResponse& sample : *list) {
      auto& same = by_status[sample.status];
      const bool known = std::any_of(same.begin(), same.end(), [&](const HttpResponse* other) {
        return other->body == sample.body || other->content_type != sample.content_type;
      });
      if (!known) same.push_back(&sample);
    }
  }
  json.key("responses").object();
  for (const auto& [status, samples] : by_status) {
    json.key(std::to_string(status)).object();
    json.text("description", status == 200 ? "Done." : status_title(status));
    write_headers(json, samples);
    write_content(json, samples);
    json.end_object();
  }
  json.key("default").object().text("$ref", "#/components/responses/problem").end_object();
  json.end_object();
}

void write_security(JsonWriter& json, const RestRow& row) {
  json.key("security").array();
  if (row.keyed) {
    for (const auto* const scheme : {"bearer", "basic", "query"}) {
      json.object().key(scheme).array().end_array().end_object();
    }
    if (row.method == HttpMethod::post) json.object().end_object();  // the key is in the body
  }
  json.end_array();
}

void write_operation(JsonWriter& json, std::size_t index) {
  const RestRow& row = rest_table()[index];
  json.key(ascii_lower(method_name(row.method))).object();
  json.text("operationId", operation_id(row)).text("summary", row.summary);
  if (row.command != nullptr) {
    const std::string usage = command_usage(*row.command);
    json.text("description", "The same as the line `" + usage + "`.");
  }
  write_parameters(json, row);
  write_request_body(json, row);
  write_security(json, row);
  write_responses(json, index);
  json.end_object();
}

void write_components(JsonWriter& json) {
  json.key("components").object().key("securitySchemes").object();
  json.key("bearer").raw(R"({"type":"http","scheme":"bearer","description":"The API key."})");
  json.key("basic").raw(
      R"({"type":"http","scheme":"basic","description":"The API key as the password."})");
  json.key("query").raw(R"({"type":"apiKey","in":"query","name":"api_key"})");
  json.end_object().key("responses").object().key("problem").object();
  json.text("description", "Anything else that went wrong (RFC 9457).");
  const HttpResponse sample = problem(413, "a body may have 65536 bytes");
  write_content(json, {&sample});
  json.end_object().end_object().end_object();
}

}  // namespace

std::string openapi_document() {
  std::string out;
  JsonWriter json(out);
  json.object().text("openapi", "3.1.0").key("info").object().text("title", "certline");
  json.text("version", "1.0").text("description", kDescription);
  json.key("license")
      .raw(R"({"name":"Apache License 2.0","identifier":"Apache-2.0"})")
      .end_object();
  json.key("servers").raw(R"([{"url":"/"}])").key("paths").object();
  const auto rows = rest_table();
  std::vector<std::string_view> done;
  for (const RestRow& first : rows) {
    if (std::find(done.begin(), done.end(), first.path) != done.end()) continue;
    done.push_back(first.path);
    json.key(first.path).object();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i].path == first.path) write_operation(json, i);
    }
    json.end_object();
  }
  json.end_object();
  write_components(json);
  json.end_object();
  return out;
}

}  // namespace certline::rest
