// Takes a line to the service and back. LineSession (protocol/line) speaks the protocol,
// StreamConnection has the socket and the timer. This file decides what a line costs and what
// answers it.
#include "daemon/server/line_connection.hpp"

#include "pki/digest.hpp"
#include "protocol/command_table.hpp"
#include "protocol/line/parser.hpp"
#include "protocol/line/render.hpp"

namespace certline::server {
namespace {

constexpr std::size_t kLinesPerTurn = 32;  // then the other connections get their share

}  // namespace

LineConnection::LineConnection(ConnectionHost& host, Stream stream, const service::Caller& caller,
                               std::uint64_t id)
    : StreamConnection(host, std::move(stream), caller, id),
      session_(host.settings()->config.line.limits, host.settings()->config.domain_rules(), now_,
               this) {}

bool LineConnection::wants_input() const {
  return !session_.turn_used() && session_.wants_input();
}

void LineConnection::serve() {
  session_.begin_turn(kLinesPerTurn);
  session_.lend_output(host_.spare_output);
  // Output that was taken may make room for requests that waited, so flushing asks again.
  while (!lingering_ && !closed_) {
    auto work = session_.next_request();
    const bool any = work.has_value();
    for (; work; work = session_.next_request()) execute(*work);
    const std::size_t written = written_;
    flush();
    if (!any && written == written_) break;
  }
  session_.give_back_output(host_.spare_output);
  if (session_.turn_used()) serve_later();
}

void LineConnection::log_request(const Request& request, const ApiKey* key) {
  if (!host_.log.enabled(runtime::LogLevel::debug)) return;
  host_.log.write(runtime::LogLevel::debug, "request",
                  {{"source", caller_.source.to_string()},
                   {"command", command_of(request).name},
                   {"key", key == nullptr ? "-" : runtime::key_tag(pki::sha256(key->text()))}});
}

bool LineConnection::recall(std::string_view line, TimePoint now, std::string& out) {
  if (host_.log.enabled(runtime::LogLevel::debug)) return false;
  const runtime::Settings& settings = *host_.settings();
  const std::string_view reply =
      host_.recent.find(line, settings.generation, host_.service.parts().now());
  if (!reply.empty() && is_exempt(caller_.source, settings.config.rates)) {
    out += reply;
    return true;
  }
  const auto asked = line::plain_expiration(line);
  if (!asked) return false;
  const service::RememberedExpirations::Recalled* older = nullptr;
  if (reply.empty()) {
    older = host_.service.remembered().recall(asked->domain, asked->key, settings);
    if (older == nullptr) return false;
  }
  // A request that may not come now takes the long way, which says so.
  if (host_.sources.request(caller_.source, asked->key, settings.config.rates, now) > 0)
    return false;
  if (older == nullptr) {
    out += reply;
    return true;
  }
  const std::size_t start = out.size();
  if (older->refused) {
    line::append_line(out, *older->refused);
  } else {
    line::append_line(out, older->report);
  }
  if (host_.recent.keeps_this_one()) {
    host_.recent.keep(line, std::string_view(out).substr(start), older->basis);
  }
  return true;
}

void LineConnection::execute(const LineSession::Execute& work) {
  const ApiKey* key = key_of(work.request);
  log_request(work.request, key);
  const std::uint32_t wait = seconds_to_wait(key != nullptr ? key->text() : std::string_view());
  if (wait > 0) {
    return answer(work.slot, Error{ErrorKind::too_many, "too many requests from here", wait});
  }
  const auto* expiration = std::get_if<GetExpiration>(&work.request);
  if (expiration == nullptr || expiration->wait_s == 0) return ask(work.request, work.slot);
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(now_ - work.received);
  await_scan(work.request, host_.service.parts().now() - age.count(),
             work.received + std::chrono::seconds(expiration->wait_s), work.slot);
}

void LineConnection::answer(Slot slot, const Reply& reply) {
  if (closed_) return;
  log_failure(reply);
  session_.on_reply(slot, reply, now_);
}

void LineConnection::on_sent(std::size_t bytes) {
  session_.on_written(bytes);
  written_ += bytes;
}

void LineConnection::flush() {
  do {
    if (out_.empty()) out_ = session_.take_output();
  } while (!out_.empty() && send_output());
  if (closed_) return;
  if (session_.must_abort()) {
    host_.log.write_limited(
        runtime::LogLevel::info, "connection_dropped",
        {{"source", caller_.source.to_string()}, {"reason", session_.close_reason()}});
    return close();
  }
  if (session_.closing() && !blocked_) say_goodbye();
}

void LineConnection::say_goodbye() {
  const std::string_view reason = session_.close_reason();
  if (reason == "http" || reason == "tls" || reason == "smtp") {
    host_.log.write_limited(runtime::LogLevel::info, "wrong_protocol",
                            {{"source", caller_.source.to_string()}, {"looks_like", reason}});
  }
  finish();
}

}  // namespace certline::server
