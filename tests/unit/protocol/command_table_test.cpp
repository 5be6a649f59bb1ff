// The table as a whole: families, arguments as sets of keys, and which reply answers which request.
#include "protocol/command_table.hpp"

#include <catch2/catch.hpp>

#include "tests/unit/protocol/print_result.hpp"

using namespace certline;

namespace {

ArgumentSet set_of(std::initializer_list<Argument> arguments) {
  ArgumentSet set = 0;
  for (const Argument argument : arguments) {
    set |= argument_bit(static_cast<std::size_t>(argument));
  }
  return set;
}

}  // namespace

TEST_CASE("the families are the table, in its order") {
  const CommandRow* next = command_table().data();
  for (int family = 0; family <= static_cast<int>(Family::administration); ++family) {
    const auto rows = command_table(static_cast<Family>(family));
    CHECK(rows.data() == next);
    CHECK_FALSE(rows.empty());
    next += rows.size();
  }
  CHECK(next == command_table().data() + command_table().size());
  for (const CommandRow& row : command_table(Family::administration)) {
    CHECK(row.access == Access::administrator);
    CHECK(row.routes[0].path.empty());
  }
}

TEST_CASE("the text of a row says which keys it takes and needs") {
  const CommandRow& add = *find_command("add");
  CHECK(add.needs == set_of({Argument::domain, Argument::apikey}));
  CHECK(add.takes == (add.needs | set_of({Argument::starttls, Argument::sha256})));
  const CommandRow& domains = *find_command("domains");
  CHECK(domains.needs == set_of({Argument::apikey}));
  CHECK(domains.takes == set_of({Argument::apikey, Argument::after}));
  CHECK(find_command("help")->needs == 0);
  CHECK(find_command("ping")->takes == 0);
}

TEST_CASE("the key that a command lacks is the first of its usage") {
  const CommandRow& certificate = *find_command("certificate");
  const auto request = parse_arguments(certificate, {}, DomainRules{});
  REQUIRE_FALSE(request);
  CHECK(request.error().detail ==
        "command certificate needs der; write: command certificate der base64 apikey K");
}

TEST_CASE("a row knows the kind of its reply") {
  CHECK(find_command("apikey")->reply == ReplyBody(KeyCreated{}).index());
  CHECK(find_command("expiration")->reply == ReplyBody(ExpirationReport{}).index());
  CHECK(find_command("quota")->reply == ReplyBody(Changed{}).index());
}
