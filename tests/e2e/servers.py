#!/usr/bin/env python3
"""Real servers, each scanned through the daemon by STARTTLS or TLS: the certificate it serves, the
state it is in. The certificate is the one openssl read from the file, seen through `expiration …
ip`.
"""

import subprocess
import sys

sys.dont_write_bytecode = True
from harness import (PATIENCE, Authority, Daemon, check, equal, free_port, loopback_config,
                     main, need_root, s_server)
import real_servers

KEY = "0123456789abcdef"


class Site:
    """An authority, a healthy certificate and a daemon that trusts it."""

    def __init__(self, directory):
        self.directory = directory
        self.authority = Authority(directory / "ca")
        self.good = self.authority.issue(["127.0.0.1"], rsa=True)  # RSA: the oldest can use it
        self.daemon = Daemon(directory, loopback_config(self.authority))

    def __enter__(self):
        return self

    def __exit__(self, *details):
        self.daemon.__exit__(*details)

    def scan(self, port, starttls, certificate, problem="none", trusted="true"):
        name = f"127.0.0.1:{port}"
        with self.daemon.line() as line:
            added, whole = line.requests(
                f"command add domain {name} apikey {KEY} starttls {starttls}",
                f"command expiration domain {name} apikey {KEY} wait 30")
            equal(added.code, 200, f"add {name}: {added}")
            one = line.request(f"command expiration domain {name} apikey {KEY} ip 127.0.0.1")
        wanted = {"problem": problem, "trusted": trusted, "addresses": "1",
                  "certificate_found": "true" if certificate else "false",
                  "renewal_utc": str(certificate.not_after) if certificate else "0"}
        for reply in (whole, one):
            got = {key: reply.pairs.get(key) for key in wanted}
            equal(got, wanted, f"{starttls} on {port}: {reply}")
        equal(one.pairs.get("certificate_sha256"), certificate.sha256 if certificate else None,
              f"{starttls} on {port}: {one}")
        return one


def nginx(directory):
    with Site(directory) as site, real_servers.nginx(directory, site.good) as server:
        site.scan(server.port, "none", site.good)


def openssl_s_server(directory):
    """Each state that a certificate can be in."""
    with Site(directory) as site:
        authority = site.authority
        stranger = Authority(directory / "stranger", "somebody else's root")
        cases = [
            (site.good, "none", "true"),
            (authority.issue(["127.0.0.1"], days=-3, age_days=90), "expired", "false"),
            (authority.issue(["127.0.0.1"], days=90, age_days=-3), "not_yet_valid", "false"),
            (authority.issue(["elsewhere.test"]), "wrong_host", "false"),
            (stranger.issue(["127.0.0.1"]), "incomplete_chain", "false"),
        ]
        for certificate, problem, trusted in cases:
            with s_server(certificate) as server:
                site.scan(server.port, "none", certificate, problem, trusted)


def gnutls_old_protocol(directory):
    """TLS 1.0 without RFC 5746: others refuse such a handshake, the verdict is the same."""
    with Site(directory) as site, \
            real_servers.gnutls_serv(site.good, real_servers.OLD_PRIORITY) as server:
        modern = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}"],
                                stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                timeout=PATIENCE)
        check("unsafe legacy renegotiation disabled" in modern.stderr
              or "unsupported protocol" in modern.stderr,
              f"this server is not as old as it should be: {modern.stderr}")
        site.scan(server.port, "none", site.good)


def gnutls_client_certificate(directory):
    """Wants a certificate of ours, which there is none: the server's is read all the same."""
    for version in ("TLS1.2", "TLS1.3"):
        with Site(directory) as site, \
                real_servers.gnutls_serv(site.good, f"NORMAL:-VERS-ALL:+VERS-{version}",
                                         real_servers.CLIENT_CERTIFICATE) as server:
            site.scan(server.port, "none", site.good, "client_certificate_required", "true")


def dovecot(directory):
    ports = {protocol: free_port() for protocol in ("imap", "pop3", "sieve")}
    with Site(directory) as site, real_servers.dovecot(directory, site.good, ports):
        for protocol, port in ports.items():
            site.scan(port, protocol, site.good)


def postfix(directory):
    with Site(directory) as site, real_servers.postfix(directory, site.good) as server:
        site.scan(server.port, "smtp", site.good)


def vsftpd(directory):
    with Site(directory) as site, real_servers.vsftpd(directory, site.good) as server:
        site.scan(server.port, "ftp", site.good)


def postgres(directory):
    with Site(directory) as site, real_servers.postgres(directory, site.good) as server:
        site.scan(server.port, "postgres", site.good)


def slapd(directory):
    with Site(directory) as site, real_servers.slapd(directory, site.good) as server:
        site.scan(server.port, "ldap", site.good)


def wrong_dialogue(directory):
    """A web server is no mail server, and a mail server no web server: said as what it is."""
    with Site(directory) as site:
        with real_servers.postfix(directory, site.good) as server:
            site.scan(server.port, "none", None, "not_tls", "false")
        with real_servers.slapd(directory, site.good) as server:
            with site.daemon.line() as line:
                name = f"127.0.0.1:{server.port}"
                _, reply = line.requests(
                    f"command add domain {name} apikey {KEY} starttls postgres",
                    f"command expiration domain {name} apikey {KEY} wait 30")
                check(reply.pairs["problem"].startswith("starttls_")
                      or reply.pairs["problem"] in ("timeout", "tls_error"), f"{reply}")


need_root()
main(nginx, openssl_s_server, gnutls_old_protocol, gnutls_client_certificate, dovecot, postfix,
     vsftpd, postgres, slapd, wrong_dialogue)
