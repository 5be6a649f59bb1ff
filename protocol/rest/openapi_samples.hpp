#pragma once
// Sample requests and replies, a set for each route. The OpenAPI document shows them and reads its
// schemas off them. Private to the REST routes.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/rest/routes.hpp"

namespace certline::rest {

// What may stand in a field: its JSON schema, what it means, and a value.
struct FieldForm {
  std::string_view name;    // "api_key"
  std::string_view schema;  // {"type":…
  std::string_view description;
  std::string_view sample;
};
const FieldForm& form_of(std::string_view field);

// The target of a row with its sample in the path, and the body with all its samples; empty where
// it has none.
std::string sample_target(const RestRow& row);
std::string sample_body(const RestRow& row);

// The row's answers when all goes well, and its errors, each rendered as it would be.
std::vector<HttpResponse> sample_successes(std::size_t row);
std::vector<HttpResponse> sample_errors(std::size_t row);

// What a member of an answer means; empty: its name says it.
std::string_view member_description(std::string_view name);

}  // namespace certline::rest
