// libcurl speaks SMTP and writes MIME. This file decides what a failure means. For that it follows
// the dialogue: the last command sent, and the server's last words. Next: mail_header.cpp,
// transfer.cpp.
#include "connectors/smtp.hpp"

#include <algorithm>

#include "connectors/transfer.hpp"

namespace certline::connectors {
namespace {

struct Dialogue {
  bool about_mail = false;    // the last command was about this mail
  std::string objection;      // what the server said against it, in its own words
  bool for_good = false;      // 5xx
  bool objects_mail = false;  // and not to us: 530 wants a login or TLS first, whatever the mail
};

// Commands as they leave. Only their beginnings are compared: a password may follow.
int on_trace(CURL*, curl_infotype kind, char* data, std::size_t size, void* into) {
  if (kind != CURLINFO_HEADER_OUT) return 0;
  const std::string_view sent(data, size);
  if (sent.starts_with("QUIT")) return 0;  // after an objection
  auto& dialogue = *static_cast<Dialogue*>(into);
  dialogue = {};
  dialogue.about_mail =
      sent.starts_with("MAIL FROM") || sent.starts_with("RCPT TO") || sent.starts_with("DATA");
  return 0;
}

std::size_t on_reply(char* data, std::size_t, std::size_t size, void* into) {
  auto& dialogue = *static_cast<Dialogue*>(into);
  if (size < 3 || (data[0] != '4' && data[0] != '5')) return size;
  std::string& words = dialogue.objection;
  words.assign(data, std::min<std::size_t>(size, 300));
  while (!words.empty() && (words.back() == '\n' || words.back() == '\r')) words.pop_back();
  for (char& c : words) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
  }
  dialogue.for_good = data[0] == '5';
  dialogue.objects_mail = dialogue.about_mail && !words.starts_with("530");
  return size;
}

bool is_address(std::string_view text) {
  return text.find('@') != text.npos && text.find_first_of(" <>()[]\\,;:\"") == text.npos &&
         is_one_line(text);
}

bool is_link(std::string_view text) {
  return (text.starts_with("https://") || text.starts_with("http://")) && is_one_line(text) &&
         text.find_first_of(" <>") == text.npos;
}

void add_headers(Transfer& transfer, const Mail& mail) {
  transfer.add_header("Date: " + mail_date(mail.date));
  transfer.add_header("From: certline <" + mail.from + ">");
  transfer.add_header("To: <" + mail.to + ">");
  transfer.add_header("Subject: " + header_text(mail.subject));
  transfer.add_header("Message-ID: <" + mail.id + mail.from.substr(mail.from.find('@')) + ">");
  transfer.add_header("Auto-Submitted: auto-generated");  // RFC 3834: no vacation notices
  if (mail.unsubscribe.empty()) return;
  transfer.add_header("List-Unsubscribe: <" + mail.unsubscribe + ">");
  transfer.add_header("List-Unsubscribe-Post: List-Unsubscribe=One-Click");  // RFC 8058
}

struct MimeDeleter {
  void operator()(curl_mime* mime) const { curl_mime_free(mime); }
};
using Mime = std::unique_ptr<curl_mime, MimeDeleter>;

// Line ends as mail has them; others would be encoded, as part of a line.
std::string canonical_lines(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out += '\r';
    if (c != '\r') out += c;
  }
  return out;
}

bool add_part(curl_mime* mime, const std::string& text, const char* type) {
  const std::string body = canonical_lines(text);
  curl_mimepart* const part = curl_mime_addpart(mime);
  return part != nullptr && curl_mime_data(part, body.data(), body.size()) == CURLE_OK &&
         curl_mime_type(part, type) == CURLE_OK &&
         curl_mime_encoder(part, "quoted-printable") == CURLE_OK;
}

// multipart/mixed, which libcurl insists on, of one multipart/alternative.
Mime make_body(Transfer& transfer, const Mail& mail) {
  Mime whole(curl_mime_init(transfer.handle()));
  Mime both(curl_mime_init(transfer.handle()));
  const bool parts = whole && both &&
                     add_part(both.get(), mail.text, "text/plain; charset=utf-8") &&
                     add_part(both.get(), mail.html, "text/html; charset=utf-8");
  curl_mimepart* const part = parts ? curl_mime_addpart(whole.get()) : nullptr;
  if (part == nullptr || curl_mime_subparts(part, both.get()) != CURLE_OK) throw std::bad_alloc();
  static_cast<void>(both.release());  // the part's now
  if (curl_mime_type(part, "multipart/alternative") != CURLE_OK) throw std::bad_alloc();
  return whole;
}

void set_tls(Transfer& transfer, const SmtpServer& server) {
  const bool verified =
      server.tls_at_once || server.starttls == StartTls::required || !server.user.empty();
  const bool optional = server.starttls == StartTls::opportunistic && server.user.empty();
  const long use = server.starttls == StartTls::off ? CURLUSESSL_NONE
                   : optional                       ? CURLUSESSL_TRY
                                                    : CURLUSESSL_ALL;
  transfer.set(CURLOPT_USE_SSL, use);
  transfer.set(CURLOPT_SSL_VERIFYPEER, verified ? 1L : 0L);
  transfer.set(CURLOPT_SSL_VERIFYHOST, verified ? 2L : 0L);
  transfer.trust(server.trust_file);
}

Error failure_of(CURLcode code, const Dialogue& dialogue, const std::string& why) {
  const bool ours = code == CURLE_ABORTED_BY_CALLBACK || code == CURLE_OPERATION_TIMEDOUT;
  if (ours || dialogue.objection.empty()) return {ErrorKind::unavailable, why};
  const std::string words = "the mail server says: " + dialogue.objection;
  if (!dialogue.objects_mail) return {ErrorKind::unavailable, words};
  return {dialogue.for_good ? ErrorKind::refused : ErrorKind::too_many, words};
}

}  // namespace

Result<void> send_mail(const SmtpServer& server, const Mail& mail,
                       const std::atomic<bool>& cancelled) {
  const bool id = is_one_line(mail.id) && mail.id.find_first_of("<> @") == std::string::npos;
  if (!is_address(mail.from) || !is_address(mail.to) || !id) {
    return Error{ErrorKind::invalid_value, "not an address: " + quoted(mail.to)};
  }
  if (!mail.unsubscribe.empty() && !is_link(mail.unsubscribe)) {
    return Error{ErrorKind::invalid_value, "not a link: " + quoted(mail.unsubscribe)};
  }
  if (!is_one_line(server.host_port) ||
      server.host_port.find_first_of("/@ ?#") != std::string::npos) {
    return Error{ErrorKind::invalid_value, "not host:port: " + quoted(server.host_port)};
  }
  Transfer transfer(server.deadline, cancelled);
  Dialogue dialogue;
  transfer.set(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  transfer.set(CURLOPT_URL,
               ((server.tls_at_once ? "smtps://" : "smtp://") + server.host_port).c_str());
  set_tls(transfer, server);
  if (!server.user.empty()) {
    transfer.set(CURLOPT_USERNAME, server.user.c_str());
    transfer.set(CURLOPT_PASSWORD, server.password.c_str());
  }
  transfer.set(CURLOPT_VERBOSE, 1L);
  transfer.set(CURLOPT_DEBUGFUNCTION, on_trace);
  transfer.set(CURLOPT_DEBUGDATA, static_cast<void*>(&dialogue));
  transfer.set(CURLOPT_HEADERFUNCTION, on_reply);
  transfer.set(CURLOPT_HEADERDATA, static_cast<void*>(&dialogue));
  transfer.set(CURLOPT_MAIL_FROM, ("<" + mail.from + ">").c_str());
  const std::unique_ptr<curl_slist, ListDeleter> to(
      curl_slist_append(nullptr, ("<" + mail.to + ">").c_str()));
  if (!to) throw std::bad_alloc();
  transfer.set(CURLOPT_MAIL_RCPT, to.get());
  add_headers(transfer, mail);
  const Mime body = make_body(transfer, mail);
  transfer.set(CURLOPT_MIMEPOST, body.get());
  std::string why;
  const CURLcode code = transfer.perform(why);
  if (code == CURLE_OK) return {};
  return failure_of(code, dialogue, why);
}

}  // namespace certline::connectors
