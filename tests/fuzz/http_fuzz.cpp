// The HTTP gate and the routes behind it, over arbitrary bytes. Cut anywhere, they give the same
// requests or the same refusal. An accepted request keeps the gate's promises, and every answer can
// be written.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "daemon/server/http/answer.hpp"
#include "daemon/server/http/gate.hpp"

namespace {

using namespace certline;
using namespace certline::rest;
using namespace certline::server::http;

void require(bool held) {
  if (!held) std::abort();
}

void check_promises(const HttpIncoming& incoming) {
  const std::string_view target = incoming.head.target;
  require(target.starts_with('/') && target.size() <= kHttpTargetBytes);
  for (const char c : target) require(c > 0x20 && c < 0x7f && c != '#');
  require(incoming.body.size() <= kHttpBodyBytes);
  require(!incoming.head.has_length || !incoming.head.chunked);
  require(incoming.head.chunked || incoming.body.size() == incoming.head.content_length);
}

// As text: the request, and what its route makes of it.
std::string served(const HttpIncoming& incoming) {
  check_promises(incoming);
  std::string text(method_name(incoming.head.method));
  text += ' ' + incoming.head.target + '\n' + incoming.body + '\n';
  (void)loggable_target(incoming.head.target);
  const auto parsed = parse_rest(incoming.view(), {});
  const auto* call = std::get_if<RestCall>(&parsed);
  const HttpResponse response =
      call != nullptr ? render_rest(*call, Error{ErrorKind::unavailable, "not now", 0})
                      : std::get<HttpResponse>(parsed);
  // Nobody's input ends a line of the head.
  for (const auto& [name, value] : response.fields) {
    require(value.find_first_of("\r\n") == value.npos);
  }
  append_answer_start(text, response.status, 0);
  append_answer_rest(text, response, {});
  return text;
}

// One connection whose input is cut into pieces of `step` bytes.
std::string run(std::string_view input, std::size_t step) {
  HttpGate gate;
  std::string output;
  while (!input.empty()) {
    std::string_view piece = input.substr(0, step);
    input.remove_prefix(piece.size());
    while (!piece.empty()) {
      const std::size_t used = gate.put(piece);
      require(used > 0 && used <= piece.size());
      piece.remove_prefix(used);
      if (gate.stage() == HttpGate::Stage::complete) {
        const HttpIncoming incoming = gate.take();
        output += served(incoming);
        if (!incoming.head.keep_alive) return output;
      }
      if (gate.stage() == HttpGate::Stage::refused) {
        const HttpRefusal& why = *gate.refusal();
        require(why.status >= 400 && why.status < 600 && !why.detail.empty());
        return output + std::to_string(why.status) + std::string(why.detail);
      }
    }
  }
  return output;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string whole = run(input, std::max<std::size_t>(size, 1));
  for (const std::size_t step : {1, 2, 3, 7, 61}) require(run(input, step) == whole);
  return 0;
}
