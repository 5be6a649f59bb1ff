// Two tables: which server software usually listens on a port, and what helps against which
// trouble. Where several programs are common, the text names the most common first and the others
// beside it, so that people recognise theirs. Nothing from a certificate gets into a command.
#include "inventory/advice.hpp"

#include <algorithm>
#include <array>

namespace certline {
namespace {

struct ServerSoftware {
  Starttls starttls;
  std::array<std::uint16_t, 3> ports;  // with TLS from the first byte; 0: none
  std::string_view service;            // for systemctl
  std::string_view reload;
  std::string_view others;
};

constexpr std::array kServers = {
    ServerSoftware{Starttls::smtp,
                   {465, 0, 0},
                   "postfix",
                   "postfix check && systemctl reload postfix",
                   "exim4, opensmtpd"},
    ServerSoftware{Starttls::imap,
                   {993, 0, 0},
                   "dovecot",
                   "doveconf >/dev/null && systemctl reload dovecot",
                   "cyrus-imapd"},
    ServerSoftware{Starttls::pop3,
                   {995, 0, 0},
                   "dovecot",
                   "doveconf >/dev/null && systemctl reload dovecot",
                   "cyrus-imapd"},
    ServerSoftware{Starttls::sieve,
                   {0, 0, 0},
                   "dovecot",
                   "doveconf >/dev/null && systemctl reload dovecot",
                   "cyrus-imapd"},
    ServerSoftware{
        Starttls::ftp, {990, 0, 0}, "vsftpd", "systemctl restart vsftpd", "proftpd, pure-ftpd"},
    ServerSoftware{
        Starttls::ldap, {636, 0, 0}, "slapd", "systemctl restart slapd", "dirsrv.target"},
    ServerSoftware{Starttls::xmpp_client, {5223, 0, 0}, "prosody", "prosodyctl reload", "ejabberd"},
    ServerSoftware{Starttls::xmpp_server, {5270, 0, 0}, "prosody", "prosodyctl reload", "ejabberd"},
    ServerSoftware{
        Starttls::postgres, {0, 0, 0}, "postgresql", "systemctl reload postgresql", "pgbouncer"},
    ServerSoftware{Starttls::mysql,
                   {0, 0, 0},
                   "mysql",
                   "mysql -e 'ALTER INSTANCE RELOAD TLS'",
                   "mariadb: FLUSH SSL"},
    ServerSoftware{Starttls::nntp, {563, 0, 0}, "inn2", "systemctl reload inn2", "leafnode"},
    ServerSoftware{Starttls::none,
                   {443, 8443, 4443},
                   "nginx",
                   "nginx -t && systemctl reload nginx",
                   "apache2, haproxy, caddy"},
    ServerSoftware{
        Starttls::none, {853, 0, 0}, "unbound", "unbound-control reload", "knot-resolver, bind9"},
    ServerSoftware{
        Starttls::none, {6697, 0, 0}, "ngircd", "systemctl reload ngircd", "inspircd, solanum"},
    ServerSoftware{Starttls::none, {8883, 0, 0}, "mosquitto", "systemctl reload mosquitto", "emqx"},
};

const ServerSoftware* server_of(std::uint16_t port, Starttls starttls) {
  const auto at = std::find_if(kServers.begin(), kServers.end(), [&](const ServerSoftware& server) {
    if (starttls != Starttls::none) return server.starttls == starttls;
    return std::find(server.ports.begin(), server.ports.end(), port) != server.ports.end();
  });
  return at == kServers.end() ? nullptr : &*at;
}

bool is_web(const AdviceFacts& facts) {
  const ServerSoftware* const server = server_of(facts.port, facts.starttls);
  return server != nullptr && server->service == "nginx";
}

std::string code(const std::string& command) {
  return '`' + command + '`';
}

std::string listening(std::uint16_t port) {
  return code("ss -ltnp 'sport = :" + std::to_string(port) + "'");
}

std::string look_command(const AdviceFacts& f) {
  constexpr std::array<std::string_view, kStarttlsCount> kNames = {
      "",     "smtp",        "imap",     "pop3",  "ftp",   "ldap",
      "xmpp", "xmpp-server", "postgres", "mysql", "sieve", "nntp"};
  const bool v6 = f.host.find(':') != std::string::npos;
  std::string out = "openssl s_client -connect " + (v6 ? '[' + f.host + ']' : f.host) + ':' +
                    std::to_string(f.port);
  const auto protocol = static_cast<std::size_t>(f.starttls);
  if (protocol != 0 && protocol < kNames.size()) {
    out += " -starttls " + std::string(kNames[protocol]);
  }
  if (f.host.find_first_not_of("0123456789.:abcdef") != std::string::npos) {
    out += " -servername " + f.host;
  }
  return code(out + " </dev/null");
}

// The text between the first quotation marks behind `mark`.
std::string quoted_behind(std::string_view text, std::string_view mark) {
  const std::size_t at = text.find(mark);
  if (at == std::string_view::npos) return {};
  const std::size_t begin = at + mark.size(), end = text.find('"', begin);
  if (end == std::string_view::npos) return {};
  std::string out(text.substr(begin, end - begin));
  std::replace(out.begin(), out.end(), '`', '\'');  // it is no command
  return out;
}

std::string missing_intermediate(std::string_view detail) {
  const std::string name = quoted_behind(detail, "the intermediate \"");
  return name.empty() ? quoted_behind(detail, "the issuer \"") : name;
}

std::string reload(const AdviceFacts& f) {
  return reload_command(f.port, f.starttls);
}

std::string renew(const AdviceFacts& f) {
  return code("certbot certificates -d " + f.host) +
         " shows whether a new one is there already: if not, " + code("certbot renew") + "; then " +
         reload(f);
}

std::string reissue(const AdviceFacts& f, const std::string& options) {
  return code("certbot certonly --force-renewal " + options + "-d " + f.host) + ", then " +
         reload(f);
}

std::string wrong_host(const AdviceFacts& f) {
  if (is_web(f)) {
    return "give the name a virtual host with its own certificate: server_name " + f.host +
           "; (nginx) or ServerName " + f.host + " (apache2), then " + reload(f);
  }
  return code("certbot certonly -d " + f.host) + ", set it as the server's certificate, then " +
         reload(f);
}

std::string incomplete_chain(const AdviceFacts& f) {
  const std::string name = missing_intermediate(f.detail);
  const std::string which =
      name.empty() ? "the missing intermediate" : "the intermediate \"" + name + '"';
  return "send " + which + ", too: serve fullchain.pem instead of cert.pem, then " + reload(f);
}

std::string untrusted(const AdviceFacts& f) {
  return code("certbot certonly -d " + f.host) + " gets one that browsers trust; then " + reload(f);
}

std::string weak_key(const AdviceFacts& f) {
  return reissue(f, "--key-type ecdsa ");
}

std::string reissued(const AdviceFacts& f) {
  return reissue(f, "");
}

std::string not_yet_valid(const AdviceFacts& f) {
  return code("timedatectl") + " on the host that issued it; else " + reissued(f);
}

std::string broken_dialogue(const AdviceFacts& f) {
  return "see what it says: " + look_command(f) + "; then " + reload(f);
}

std::string no_answer(const AdviceFacts& f) {
  const ServerSoftware* const server = server_of(f.port, f.starttls);
  const std::string status =
      server ? code("systemctl status " + std::string(server->service)) + ", " : std::string();
  return status + listening(f.port) + " and the firewall: " + code("nft list ruleset");
}

std::string refused(const AdviceFacts& f) {
  const ServerSoftware* const server = server_of(f.port, f.starttls);
  const std::string start =
      server ? "; " + code("systemctl restart " + std::string(server->service)) : std::string();
  return "nothing listens there: " + listening(f.port) + start;
}

std::string no_route(const AdviceFacts&) {
  return "is the host up, and its network: " + code("ip address; ip route");
}

std::string dns(const AdviceFacts& f) {
  return code("dig " + f.host + " A " + f.host + " AAAA") +
         " and the name servers of its zone: " + code("dig +trace " + f.host);
}

std::string policy(const AdviceFacts&) {
  return "the daemon may not look there: scanner.allow in /etc/certline/certlined.toml";
}

using Rule = std::string (*)(const AdviceFacts&);
struct StateRule {
  ScanState state;
  Rule rule;
};
constexpr std::array kStateRules = {
    StateRule{ScanState::expired, reissued},  // an intermediate: a new chain comes with it
    StateRule{ScanState::not_yet_valid, not_yet_valid},
    StateRule{ScanState::wrong_host, wrong_host},
    StateRule{ScanState::self_signed, untrusted},
    StateRule{ScanState::untrusted_root, untrusted},
    StateRule{ScanState::incomplete_chain, incomplete_chain},
    StateRule{ScanState::weak_key, weak_key},
    StateRule{ScanState::weak_signature, reissued},
    StateRule{ScanState::revoked, reissued},
    StateRule{ScanState::bad_certificate, reissued},
    StateRule{ScanState::refused, refused},
    StateRule{ScanState::timeout, no_answer},
    StateRule{ScanState::unreachable, no_route},
    StateRule{ScanState::not_tls, broken_dialogue},
    StateRule{ScanState::tls_error, broken_dialogue},
    StateRule{ScanState::starttls_refused, broken_dialogue},
    StateRule{ScanState::starttls_not_offered, broken_dialogue},
    StateRule{ScanState::starttls_protocol_error, broken_dialogue},
    StateRule{ScanState::injection_suspected, broken_dialogue},
    StateRule{ScanState::policy, policy},
    StateRule{ScanState::dns_error, dns},
    StateRule{ScanState::no_address, dns},
};

}  // namespace

std::string reload_command(std::uint16_t port, Starttls starttls) {
  const ServerSoftware* const server = server_of(port, starttls);
  if (!server) {
    return "reload what serves port " + std::to_string(port) + ": " + listening(port) + " names it";
  }
  return code(std::string(server->reload)) + " (or " + std::string(server->others) +
         ": whatever serves port " + std::to_string(port) + ')';
}

std::string advice(const AdviceFacts& facts) {
  switch (facts.event) {
    case EventKind::renewal_overdue:
    case EventKind::expired:
      return renew(facts);
    case EventKind::old_certificate:
    case EventKind::addresses_disagree:
      return reload(facts);
    case EventKind::verdict:
    case EventKind::address_down:
    case EventKind::unreachable:
    case EventKind::could_not_check: {
      const auto at = std::find_if(kStateRules.begin(), kStateRules.end(),
                                   [&](const StateRule& r) { return r.state == facts.state; });
      return at == kStateRules.end() ? no_answer(facts) : at->rule(facts);
    }
    default:
      return {};
  }
}

}  // namespace certline
