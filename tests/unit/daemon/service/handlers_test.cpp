// Rows and handlers agree: a request has a writing handler exactly when its row calls it a write.
// Otherwise a connection would answer in the wrong order.
#include "daemon/service/handlers.hpp"

#include <catch2/catch.hpp>

#include "protocol/command_table.hpp"

using namespace certline;

namespace {

template <class... R>
void compare(const std::variant<R...>*) {
  const std::array<bool, sizeof...(R)> writes{service::Writing<R>...};
  REQUIRE(command_table().size() == writes.size());
  for (const CommandRow& row : command_table()) {
    INFO(row.name);
    CHECK((row.kind == Kind::write) == writes.at(row.request));
  }
}

}  // namespace

TEST_CASE("a row says write where the handler writes") {
  compare(static_cast<const Request*>(nullptr));
}
