#pragma once
// Writes JSON: the members in the order of the calls, without blanks. Text is escaped (RFC 8259,
// section 7); bytes that are not UTF-8 become U+FFFD.
//
// This writer is for the answers of the REST routes and the OpenAPI document: each request is
// answered with it, an answer costs one string, and its bytes are the contract of REST.md. All
// other JSON (messages to webhooks and programs, output of the command line) is built as a
// Boost.JSON value and serialized: it is rare, and a tree is easier to build. JSON from outside is
// always read with Boost.JSON.

#include <cstdint>
#include <string>
#include <string_view>

namespace certline::rest {

// Appends to `out`. The caller sees to it that keys stand in objects and all is closed.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& object() { return open('{'); }
  JsonWriter& array() { return open('['); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);
  JsonWriter& text(std::string_view value);
  JsonWriter& number(std::int64_t value);
  JsonWriter& boolean(bool value) { return raw(value ? "true" : "false"); }
  JsonWriter& null() { return raw("null"); }
  JsonWriter& raw(std::string_view json);  // a whole value

  JsonWriter& text(std::string_view name, std::string_view value) { return key(name).text(value); }
  JsonWriter& number(std::string_view name, std::int64_t value) { return key(name).number(value); }
  JsonWriter& boolean(std::string_view name, bool value) { return key(name).boolean(value); }
  JsonWriter& text_or_null(std::string_view name, std::string_view value) {
    return value.empty() ? key(name).null() : key(name).text(value);
  }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void separate();

  std::string& out_;
  bool comma_ = false;  // before the next key or value
};

}  // namespace certline::rest
