// A connection waits for readiness instead of holding a buffer, so that an idle one costs little:
// all connections of a thread read into the same buffer. The protocol itself is LineSession's; here
// are only the socket, one timer, and the hand-over to the service.
#include "daemon/line_connection.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>

#include "pki/digest.hpp"

namespace certline::daemon {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// Then the other connections get their share.
constexpr std::size_t kReadsPerTurn = 4;
constexpr std::size_t kLinesPerTurn = 32;
constexpr std::chrono::seconds kLinger{2};
constexpr std::size_t kLingerBytes = 256 * 1024;

bool would_block(const error_code& ec) {
  return ec == asio::error::would_block || ec == asio::error::try_again;
}

}  // namespace

LineConnection::LineConnection(ConnectionHost& host, asio::ip::tcp::socket socket, IpAddress source,
                               std::uint64_t id)
    : host_(host),
      socket_(std::move(socket)),
      timer_(socket_.get_executor()),
      source_(source),
      id_(id),
      session_(host.settings()->config.line.limits, host.settings()->config.domain_rules(),
               Clock::now()) {}

void LineConnection::start() {
  error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  on_readable();  // the request is often there already
}

void LineConnection::arm_read() {
  const bool wanted = lingering_ || session_.wants_input();
  if (closed_ || reading_ || input_ended_ || !wanted) return;
  reading_ = true;
  socket_.async_wait(asio::socket_base::wait_read,
                     [self = shared_from_this()](const error_code& ec) {
                       self->reading_ = false;
                       if (!ec) self->on_readable();
                     });
}

void LineConnection::on_readable() {
  read_available();
  pump();
}

void LineConnection::read_available() {
  const auto buffer = host_.read_buffer;
  for (std::size_t i = 0; i < kReadsPerTurn && !closed_ && !input_ended_; ++i) {
    if (!lingering_ && !session_.wants_input()) break;
    error_code ec;
    const std::size_t got = socket_.read_some(asio::buffer(buffer.data(), buffer.size()), ec);
    if (would_block(ec)) break;
    if (ec == asio::error::eof) {
      input_ended_ = true;
      if (lingering_) return close();
      session_.on_eof(Clock::now());
      break;
    }
    if (ec) return close();
    if (lingering_) {
      discarded_ += got;
      if (discarded_ > kLingerBytes) return close();
      continue;
    }
    session_.on_bytes({buffer.data(), got}, Clock::now());
    if (got < buffer.size()) break;
  }
}

void LineConnection::arm_timer() {
  auto due = lingering_ ? linger_until_ : session_.deadline();
  if (waiting_) due = std::min(due, waiting_->until);
  if (closed_ || due >= armed_until_) return;  // an earlier tick re-arms itself
  armed_until_ = due;
  timer_.expires_at(due);
  timer_.async_wait([self = shared_from_this()](const error_code& ec) {
    if (!ec) self->on_timer();
  });
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
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->pump_scheduled_ = false;
    self->pump();
  });
}

void LineConnection::pump() {
  if (closed_) return;
  session_.begin_turn(kLinesPerTurn);
  // Output that was taken may make room for requests that waited, so flushing asks again.
  while (!lingering_ && !closed_) {
    auto work = session_.next_request();
    const bool any = work.has_value();
    for (; work; work = session_.next_request()) execute(std::move(*work));
    const std::size_t written = written_;
    flush();
    if (!any && written == written_) break;
  }
  if (session_.turn_used()) {
    schedule_pump();
  } else {
    arm_read();
  }
  arm_timer();
}

void LineConnection::log_request(const Request& request, const ApiKey* key) {
  if (!host_.log.enabled(LogLevel::debug)) return;
  host_.log.write(LogLevel::debug, "request",
                  {{"source", source_.to_string()},
                   {"command", command_table()[command_index(request)].name},
                   {"key", key == nullptr ? "-" : key_tag(pki::sha256(key->text()))}});
}

void LineConnection::execute(LineSession::Execute work) {
  const SettingsPtr& settings = host_.settings();
  const ApiKey* key = key_of(work.request);
  log_request(work.request, key);
  const std::uint32_t wait =
      host_.sources.request(source_, key != nullptr ? key->text() : std::string_view(),
                            settings->config.rates, Clock::now());
  if (wait > 0) {
    return answer(work.slot, Error{ErrorKind::too_many, "too many requests from here", wait});
  }
  if (is_write(work.request)) return execute_write(work);

  const auto* expiration = std::get_if<GetExpiration>(&work.request);
  if (expiration == nullptr || expiration->wait_s == 0) {
    return answer(work.slot, host_.service.read(work.request, *settings, 0).reply);
  }
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - work.received);
  waiting_ =
      std::make_unique<Waiting>(Waiting{work.slot,
                                        work.request,
                                        host_.service.now() - age.count(),
                                        work.received + std::chrono::seconds(expiration->wait_s),
                                        {}});
  try_waiting(false);
}

void LineConnection::execute_write(const LineSession::Execute& work) {
  auto deliver = [io = host_.io, weak = weak_from_this(), slot = work.slot](Reply reply) {
    asio::post(*io, [weak, slot, reply = std::move(reply)] {
      if (const auto self = weak.lock()) {
        self->answer(slot, reply);
        self->schedule_pump();  // replies of one commit leave together
      }
    });
  };
  host_.service.write(work.request, host_.settings(), std::move(deliver));
}

void LineConnection::try_waiting(bool give_up) {
  const auto ask = [this] {
    return host_.service.read(waiting_->request, *host_.settings(), waiting_->received_utc);
  };
  Service::Read read = ask();
  if (read.wait_for && !give_up && !waiting_->registered) {
    // Registered first, then asked again: a scan that ends in between is not missed.
    waiting_->registered = read.wait_for;
    host_.wait_for(*read.wait_for, id_);
    read = ask();
  }
  if (read.wait_for && !give_up) return;
  const auto slot = waiting_->slot;
  stop_waiting();
  answer(slot, read.reply);
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
  if (!reply && host_.log.enabled(LogLevel::debug)) {
    host_.log.write(LogLevel::debug, "request_failed",
                    {{"source", source_.to_string()},
                     {"kind", error_name(reply.error().kind)},
                     {"detail", reply.error().detail}});
  }
  session_.on_reply(slot, reply, Clock::now());
}

void LineConnection::flush() {
  while (!writing_) {
    if (out_sent_ == out_.size()) {
      out_ = session_.take_output();
      out_sent_ = 0;
    }
    if (out_.empty()) break;
    error_code ec;
    const std::size_t sent =
        socket_.write_some(asio::buffer(out_.data() + out_sent_, out_.size() - out_sent_), ec);
    if (would_block(ec)) {
      writing_ = true;
      socket_.async_wait(asio::socket_base::wait_write,
                         [self = shared_from_this()](const error_code& failed) {
                           self->writing_ = false;
                           if (!failed) self->pump();
                         });
      break;
    }
    if (ec) return close();
    session_.on_written(sent);
    written_ += sent;
    out_sent_ += sent;
  }
  if (session_.must_abort()) {
    host_.log.write_limited(LogLevel::info, "connection_dropped",
                            {{"source", source_.to_string()}, {"reason", session_.close_reason()}});
    return close();
  }
  if (session_.closing() && !writing_ && !closed_) finish();
}

void LineConnection::finish() {
  const std::string_view reason = session_.close_reason();
  if (reason == "http" || reason == "tls" || reason == "smtp") {
    host_.log.write_limited(LogLevel::info, "wrong_protocol",
                            {{"source", source_.to_string()}, {"looks_like", reason}});
  }
  if (input_ended_) return close();
  // Closing with unread input would reset the connection and eat the answer.
  error_code ignored;
  socket_.shutdown(asio::socket_base::shutdown_send, ignored);
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
  error_code ignored;
  socket_.close(ignored);
  timer_.cancel();
  stop_waiting();
  host_.closed(id_);
}

}  // namespace certline::daemon
