// The line session over arbitrary bytes. Cut anywhere, they give the same requests and the same
// replies. Every reply has at most two lines and 1000 bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/command_table.hpp"
#include "protocol/line/session.hpp"

namespace {

using namespace certline;
using namespace certline::line;
using TimePoint = LineSession::TimePoint;

void require(bool held) {
  if (!held) std::abort();
}

Reply answer(const Request& request) {
  if (const auto* add = std::get_if<AddDomain>(&request)) {
    return ReplyBody{Added{"id", "key", add->domain.input()}};
  }
  if (const auto* asked = std::get_if<GetExpiration>(&request)) {
    ExpirationReport report;
    report.domain = asked->domain.input();
    report.detail = asked->domain.canonical();
    return ReplyBody{report};
  }
  if (const auto* help = std::get_if<Help>(&request)) return ReplyBody{HelpText{help->on}};
  return Error{ErrorKind::unavailable, std::string(command_of(request).name), 0};
}

// The bytes of one connection whose input is cut into pieces of `step` bytes (0: not cut).
std::string run(std::string_view input, std::size_t step) {
  const TimePoint now{};
  LineSession session({}, {}, now);
  std::string output;
  const auto pump = [&] {
    while (true) {
      while (auto execute = session.next_request()) {
        session.on_reply(execute->slot, answer(execute->request), now);
      }
      const std::string bytes = session.take_output();
      if (bytes.empty()) return;
      output += bytes;
      session.on_written(bytes.size());
    }
  };
  if (step == 0) step = input.size() + 1;
  for (std::size_t at = 0; at < input.size(); at += step) {
    session.on_bytes(input.substr(at, step), now);
    pump();
  }
  session.on_eof(now);
  pump();
  require(session.closing());
  require(!session.must_abort());
  require(!session.close_reason().empty());
  return output;
}

void check_replies(std::string_view output) {
  while (!output.empty()) {
    std::size_t end = output.find('\n');
    require(end != output.npos);
    if (output.starts_with("data ")) end = output.find('\n', end + 1);
    require(end != output.npos && end + 1 <= kReplyBytes);
    const std::size_t status = output.substr(0, end).rfind('\n') + 1;
    require(output.substr(status).starts_with("status ok 200") ||
            output.substr(status).starts_with("status error "));
    for (const char c : output.substr(0, end)) require(c == '\n' || (c & 0x80) || c >= 0x20);
    output.remove_prefix(end + 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string whole = run(input, 0);
  check_replies(whole);
  for (const std::size_t step : {1, 2, 3, 7, 61}) require(run(input, step) == whole);
  return 0;
}
