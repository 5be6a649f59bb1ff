// Reads JSON bodies with Boost.JSON's event parser. It checks the syntax of the whole text but
// keeps only the members of one flat object, so neither depth nor size of a text costs memory.
// build.cpp is next on the way.
#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>

#include "protocol/rest/input.hpp"

namespace certline::rest {
namespace {

namespace json = boost::json;
using Code = boost::system::error_code;
using Text = json::string_view;

constexpr std::size_t kDepth = 32;

// Collects the events. `objection` says why a text that is JSON can't be a set of fields.
struct Members {
  static constexpr std::size_t max_object_size = std::size_t(-1);
  static constexpr std::size_t max_array_size = std::size_t(-1);
  static constexpr std::size_t max_key_size = std::size_t(-1);
  static constexpr std::size_t max_string_size = std::size_t(-1);

  InputFields fields;
  std::string objection;
  std::string key, value;
  std::size_t depth = 0;

  void object(std::string text) {
    if (objection.empty()) objection = std::move(text);
  }
  bool append(std::string& to, Text part) {
    if (depth == 1) to.append(part.data(), part.size());
    return true;
  }
  bool opened(bool is_object) {
    if (depth++ == 0 && is_object) return true;
    object("The body must be one object whose values are strings.");
    return true;
  }
  bool closed() {
    --depth;
    return true;
  }
  bool put(InputField::Kind kind) {
    if (depth == 0) object("The body must be one object whose values are strings.");
    if (depth == 1 && objection.empty()) fields.push_back({key, value, kind});
    value.clear();
    return true;
  }
  bool named() {
    if (depth != 1) return true;
    if (std::any_of(fields.begin(), fields.end(),
                    [&](const InputField& field) { return field.name == key; })) {
      object("The field " + quoted(key) + " is given twice.");
    }
    if (fields.size() == kInputFields) object("The body has too many fields.");
    return true;
  }

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) { return opened(true); }
  bool on_object_end(std::size_t, Code&) { return closed(); }
  bool on_array_begin(Code&) { return opened(false); }
  bool on_array_end(std::size_t, Code&) { return closed(); }
  bool on_key_part(Text part, std::size_t whole, Code&) {
    if (whole == part.size()) key.clear();
    return append(key, part);
  }
  bool on_key(Text part, std::size_t whole, Code&) {
    if (whole == part.size()) key.clear();
    append(key, part);
    return named();
  }
  bool on_string_part(Text part, std::size_t, Code&) { return append(value, part); }
  bool on_string(Text part, std::size_t, Code&) {
    append(value, part);
    return put(InputField::Kind::text);
  }
  bool on_number_part(Text, Code&) { return true; }
  bool on_int64(std::int64_t, Text, Code&) { return put(InputField::Kind::other); }
  bool on_uint64(std::uint64_t, Text, Code&) { return put(InputField::Kind::other); }
  bool on_double(double, Text, Code&) { return put(InputField::Kind::other); }
  bool on_bool(bool, Code&) { return put(InputField::Kind::other); }
  bool on_null(Code&) { return put(InputField::Kind::null); }
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }
};

}  // namespace

Result<InputFields> parse_json_body(std::string_view body) {
  json::parse_options options;
  options.max_depth = kDepth;
  json::basic_parser<Members> parser(options);
  Code error;
  const std::size_t taken = parser.write_some(false, body.data(), body.size(), error);
  if (error || taken != body.size() || !parser.done()) {
    return Error{ErrorKind::malformed, "The body is not valid JSON.", 0};
  }
  Members& members = parser.handler();
  if (!members.objection.empty()) {
    return Error{ErrorKind::invalid_value, std::move(members.objection), 0};
  }
  return std::move(members.fields);
}

}  // namespace certline::rest
