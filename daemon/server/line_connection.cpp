// A connection waits for readiness instead of holding a buffer, so that an idle one costs little:
// all connections of a thread read into the same buffer. The protocol itself is LineSession's; here
// are only the socket, one timer, and the hand-over to the service.
#include "daemon/server/line_connection.hpp"

#include <thread>

#include "pki/digest.hpp"
#include "protocol/command_table.hpp"
#include "protocol/line/parser.hpp"
#include "protocol/line/render.hpp"

namespace certline::server {
namespace {

// Then the other connections get their share.
constexpr std::size_t kReadsPerTurn = 4;
constexpr std::size_t kLinesPerTurn = 32;
constexpr std::chrono::seconds kLinger{2};
constexpr std::size_t kLingerBytes = 256 * 1024;
constexpr std::size_t kSpareBytes = 128 * 1024;

}  // namespace

LineConnection::LineConnection(ConnectionHost& host, Socket socket, const service::Caller& caller,
                               std::uint64_t id)
    : host_(host),
      socket_(std::move(socket)),
      caller_(caller),
      id_(id),
      session_(host.settings()->config.line.limits, host.settings()->config.domain_rules(),
               Clock::now(), this) {}

void LineConnection::start() {
  socket_.set_no_delay();
  interest_.read = true;
  if (!host_.loop->watch(socket_.descriptor(), id_, interest_)) return close();
  on_readable();  // the request is often there already
}

void LineConnection::on_ready(Readiness ready) {
  if (ready.error && !interest_.read) return close();  // nobody is there to take the answers
  if (ready.write) writing_ = false;
  if (ready.read || ready.error || socket_.read_waits_to_write()) return on_readable();
  pump();
}

void LineConnection::update_interest() {
  if (closed_) return;
  const bool reads =
      !input_ended_ && !session_.turn_used() && (lingering_ || session_.wants_input());
  const bool reads_by_writing = socket_.read_waits_to_write();
  const Readiness wanted{reads && !reads_by_writing, writing_ || reads_by_writing};
  if (wanted == interest_) return;
  interest_ = wanted;
  host_.loop->rewatch(socket_.descriptor(), id_, wanted);
}

void LineConnection::on_readable() {
  read_available();
  pump();
}

void LineConnection::read_available() {
  const auto buffer = host_.read_buffer;
  for (std::size_t i = 0; i < kReadsPerTurn && !closed_ && !input_ended_; ++i) {
    if (!lingering_ && !session_.wants_input()) break;
    const auto [outcome, got] = socket_.read(buffer);
    if (outcome == Socket::Outcome::would_block) break;
    if (outcome == Socket::Outcome::failed) return close();
    if (outcome == Socket::Outcome::end) {
      input_ended_ = true;
      if (lingering_) return close();
      session_.on_eof(Clock::now());
      break;
    }
    if (lingering_) {
      discarded_ += got;
      if (discarded_ > kLingerBytes) return close();
      continue;
    }
    session_.on_bytes({buffer.data(), got}, Clock::now());
    if (got < buffer.size() && !socket_.is_secure()) break;
  }
}

void LineConnection::arm_timer() {
  auto due = lingering_ ? linger_until_ : session_.deadline();
  if (waiting_) due = std::min(due, waiting_->until);
  if (closed_ || due >= armed_until_) return;  // an earlier tick re-arms itself
  host_.loop->set_timer(id_, armed_until_, due);
  armed_until_ = due;
}

void LineConnection::on_timer() {
  armed_until_ = Clock::time_point::max();
  if (closed_) return;
  const auto now = Clock::now();
  if (lingering_ && now >= linger_until_) return close();
  if (waiting_ && now >= waiting_->until) try_waiting(true);
  if (!lingering_ && now >= session_.deadline()) {
    // A busy thread comes late: what arrived meanwhile must not be taken for silence.
    if (session_.wants_input()) read_available();
    session_.on_time(Clock::now());
  }
  pump();
}

void LineConnection::schedule_pump() {
  if (pump_scheduled_ || closed_) return;
  pump_scheduled_ = true;
  host_.loop->post([self = shared_from_this()] {
    self->pump_scheduled_ = false;
    self->pump();
  });
}

void LineConnection::pump() {
  if (closed_) return;
  session_.begin_turn(kLinesPerTurn);
  session_.lend_output(host_.spare_output);
  // Output that was taken may make room for requests that waited, so flushing asks again.
  while (!lingering_ && !closed_) {
    auto work = session_.next_request();
    const bool any = work.has_value();
    for (; work; work = session_.next_request()) execute(std::move(*work));
    const std::size_t written = written_;
    flush();
    if (!any && written == written_) break;
  }
  session_.give_back_output(host_.spare_output);
  if (session_.turn_used()) schedule_pump();
  update_interest();
  arm_timer();
}

void LineConnection::log_request(const Request& request, const ApiKey* key) {
  if (!host_.log.enabled(runtime::LogLevel::debug)) return;
  host_.log.write(runtime::LogLevel::debug, "request",
                  {{"source", caller_.source.to_string()},
                   {"command", command_of(request).name},
                   {"key", key == nullptr ? "-" : runtime::key_tag(pki::sha256(key->text()))}});
}

bool LineConnection::recall(std::string_view line, Clock::time_point now, std::string& out) {
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
  line::append_line(out, older->report);
  if (host_.recent.keeps_this_one()) {
    host_.recent.keep(line, std::string_view(out).substr(start), older->basis);
  }
  return true;
}

void LineConnection::execute(LineSession::Execute work) {
  const runtime::SettingsPtr& settings = host_.settings();
  const ApiKey* key = key_of(work.request);
  log_request(work.request, key);
  const std::uint32_t wait =
      host_.sources.request(caller_.source, key != nullptr ? key->text() : std::string_view(),
                            settings->config.rates, Clock::now());
  if (wait > 0) {
    return answer(work.slot, Error{ErrorKind::too_many, "too many requests from here", wait});
  }
  const auto* expiration = std::get_if<GetExpiration>(&work.request);
  if (expiration == nullptr || expiration->wait_s == 0) return ask(work);
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - work.received);
  waiting_ =
      std::make_unique<Waiting>(Waiting{work.slot,
                                        work.request,
                                        host_.service.parts().now() - age.count(),
                                        work.received + std::chrono::seconds(expiration->wait_s),
                                        {}});
  try_waiting(false);
}

// Answers of one commit come on another thread, and leave together.
void LineConnection::ask(const LineSession::Execute& work) {
  auto deliver = [loop = host_.loop, weak = weak_from_this(), slot = work.slot,
                  here = std::this_thread::get_id()](service::Service::Answered said) {
    const auto self = weak.lock();
    if (self && here == std::this_thread::get_id()) return self->answer(slot, said.reply);
    loop->queue([weak, slot, reply = std::move(said.reply)] {
      if (const auto later = weak.lock()) {
        later->answer(slot, reply);
        later->schedule_pump();
      }
    });
  };
  host_.service.ask(work.request, caller_, host_.settings(), 0, host_.writes, std::move(deliver));
}

void LineConnection::try_waiting(bool give_up) {
  service::Service::Answered said{Error{}};
  const auto look = [&] {
    host_.service.ask(waiting_->request, caller_, host_.settings(), waiting_->received_utc,
                      host_.writes,
                      [&](service::Service::Answered answered) { said = std::move(answered); });
  };
  look();
  if (said.wait_for && !give_up && !waiting_->registered) {
    // Registered first, then asked again: a scan that ends in between is not missed.
    waiting_->registered = said.wait_for;
    host_.wait_for(*said.wait_for, id_);
    look();
  }
  if (said.wait_for && !give_up) return;
  const auto slot = waiting_->slot;
  stop_waiting();
  answer(slot, said.reply);
}

void LineConnection::stop_waiting() {
  if (waiting_ && waiting_->registered) host_.stop_waiting(*waiting_->registered, id_);
  waiting_.reset();
}

void LineConnection::endpoint_scanned() {
  if (closed_ || !waiting_) return;
  waiting_->registered.reset();
  try_waiting(false);
  schedule_pump();
}

void LineConnection::answer(LineSession::Slot slot, const Reply& reply) {
  if (closed_) return;
  if (!reply && host_.log.enabled(runtime::LogLevel::debug)) {
    host_.log.write(runtime::LogLevel::debug, "request_failed",
                    {{"source", caller_.source.to_string()},
                     {"kind", error_name(reply.error().kind)},
                     {"detail", reply.error().detail}});
  }
  session_.on_reply(slot, reply, Clock::now());
}

// What was written through leaves its memory to the next connection that answers.
void LineConnection::drop_written() {
  out_.clear();
  out_sent_ = 0;
  if (out_.capacity() > host_.spare_output.capacity() && out_.capacity() <= kSpareBytes) {
    out_.swap(host_.spare_output);
  }
  out_ = std::string();
}

void LineConnection::flush() {
  while (!writing_) {
    if (out_sent_ == out_.size()) {
      drop_written();
      out_ = session_.take_output();
    }
    if (out_.empty()) break;
    const auto [outcome, sent] = socket_.write(std::string_view(out_).substr(out_sent_));
    if (outcome == Socket::Outcome::would_block) {
      writing_ = true;
      break;
    }
    if (outcome != Socket::Outcome::done) return close();
    session_.on_written(sent);
    written_ += sent;
    out_sent_ += sent;
  }
  if (session_.must_abort()) {
    host_.log.write_limited(
        runtime::LogLevel::info, "connection_dropped",
        {{"source", caller_.source.to_string()}, {"reason", session_.close_reason()}});
    return close();
  }
  if (session_.closing() && !writing_ && !closed_) finish();
}

void LineConnection::finish() {
  const std::string_view reason = session_.close_reason();
  if (reason == "http" || reason == "tls" || reason == "smtp") {
    host_.log.write_limited(runtime::LogLevel::info, "wrong_protocol",
                            {{"source", caller_.source.to_string()}, {"looks_like", reason}});
  }
  if (input_ended_) return close();
  // Closing with unread input would reset the connection and eat the answer.
  socket_.shut_writing();
  lingering_ = true;
  linger_until_ = Clock::now() + kLinger;
}

void LineConnection::drain() {
  if (closed_) return;
  if (waiting_) try_waiting(true);
  session_.drain();
  pump();
}

void LineConnection::close() {
  if (closed_) return;
  closed_ = true;
  socket_.close();
  host_.loop->set_timer(id_, armed_until_, EventLoop::kNever);
  stop_waiting();
  host_.closed(id_);
}

}  // namespace certline::server
