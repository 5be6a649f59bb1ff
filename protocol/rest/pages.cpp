// The pages behind the links in mails. Loading a page changes nothing, because programs that scan
// mail follow links; its button posts to the same address. Pages have no scripts, load nothing, and
// escape every text. parse.cpp is next on the way.
#include <algorithm>
#include <array>

#include "protocol/html_text.hpp"
#include "protocol/rest/answers.hpp"
#include "protocol/rest/routes.hpp"

namespace certline::rest {
namespace {

constexpr std::array kPages{
    PageText{
        TokenPurpose::confirm, "/confirm/{token}", "Confirm this e-mail address",
        "Confirming lets the API key that was claimed for your address see and change the names "
        "that are watched for it, and has their certificates watched from now on.",
        "Confirm", "Your address and the API key are confirmed.",
        "confirms an e-mail address and the key claimed for it"},
    PageText{
        TokenPurpose::revoke, "/revoke/{token}", "Revoke this API key",
        "The API key that was claimed for your address will be refused from now on. This cannot "
        "be undone.",
        "Revoke", "The API key is revoked.", "makes the key worthless that was claimed"},
    PageText{TokenPurpose::block_keys, "/block-keys/{token}", "Block new API keys",
             "Nobody will be able to claim further API keys for your address. Keys that are in use "
             "go on working.",
             "Block new keys", "No further API keys can be claimed for your address.",
             "refuses further keys that nobody asked for"},
    PageText{TokenPurpose::block_account, "/block-account/{token}", "Block this account",
             "All API keys of your address will be refused, and its names no longer be watched.",
             "Block the account", "The account and all its API keys are blocked.",
             "shuts out the account and its keys"},
    PageText{TokenPurpose::unsubscribe, "/unsubscribe/{token}", "Unsubscribe",
             "No more mail about certificates will be sent to your address.", "Unsubscribe",
             "No more mail will be sent to your address.", "ends mail to the address (RFC 8058)"},
};

const PageText& text_of(TokenPurpose purpose) {
  return *std::find_if(kPages.begin(), kPages.end(),
                       [&](const PageText& page) { return page.purpose == purpose; });
}

// What an error says may quote anybody; a page is ASCII.
std::string printable(std::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return !(c >= 0x20 && c < 0x7f); }, '?');
  return out;
}

// `button` empty: no form.
HttpResponse page(int status, std::string_view title, std::string_view text,
                  std::string_view button) {
  HttpResponse response;
  response.status = status;
  response.content_type = "text/html; charset=utf-8";
  response.secret = true;
  std::string& out = response.body;
  out =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>";
  out += html_text(title);
  out += "</title>\n</head>\n<body>\n<h1>";
  out += html_text(title);
  out += "</h1>\n<p>";
  out += html_text(printable(text));
  out += "</p>\n";
  if (!button.empty()) {
    out += "<form method=\"post\"><button type=\"submit\">";
    out += html_text(button);
    out += "</button></form>\n";
  }
  out += "</body>\n</html>\n";
  response.fields = {{"Content-Security-Policy",
                      "default-src 'none'; form-action 'self'; base-uri 'none'; "
                      "frame-ancestors 'none'"},
                     {"Referrer-Policy", "no-referrer"},
                     {"X-Robots-Tag", "noindex"}};
  return response;
}

}  // namespace

std::span<const PageText> page_texts() {
  return kPages;
}

HttpResponse token_question(TokenPurpose purpose) {
  const PageText& text = text_of(purpose);
  return page(200, text.title, text.question, text.button);
}

HttpResponse token_outcome(TokenPurpose purpose) {
  return page(200, "Done", text_of(purpose).outcome, {});
}

HttpResponse token_error(int status, std::string_view text) {
  return page(status, "Nothing was changed", text, {});
}

}  // namespace certline::rest
