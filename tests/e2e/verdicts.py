#!/usr/bin/env python3
"""Every state that a scan can end in, each from a real server in that state: `certlined scan
--json` scans it and must report the state. What needs a memory (an intermediate seen before, an
announced leaf, a schedule) goes through the daemon.
"""

import json
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from harness import (CERTLINED, PATIENCE, Authority, Certificate, Daemon, Listener, check, equal,
                     free_port, loopback_config, main, run, s_server)

KEY = "0123456789abcdef"
OLD = ("-cipher", "ALL:@SECLEVEL=0")  # or else s_server itself refuses its certificate


class Site:
    """An authority, a good certificate, and `certlined scan` that trusts the authority."""

    def __init__(self, directory, timeout_ms=5000):
        self.directory = directory
        self.authority = Authority(directory / "ca")
        self.good = self.authority.issue(["127.0.0.1"])
        self.config = directory / "scan.toml"
        self.toml = loopback_config(self.authority, f"timeout_ms = {timeout_ms}\n")
        self.config.write_text(self.toml)

    def scan(self, name, *arguments):
        """Exit status and document."""
        done = subprocess.run([str(a) for a in (CERTLINED, "scan", name, "--json", "--config",
                                                self.config, *arguments)],
                              capture_output=True, text=True, timeout=PATIENCE)
        check(done.returncode in (0, 1) and done.stdout, f"scan {name}: {done}")
        return done.returncode, json.loads(done.stdout)

    def row(self, port, *arguments, host="127.0.0.1"):
        return self.scan(f"{host}:{port}", *arguments)[1]["addresses"][0]

    def expect(self, state, port, *arguments, host="127.0.0.1", leaf=None):
        row = self.row(port, *arguments, host=host)
        equal(row["state"], state, f"{arguments} on {port}: {row}")
        check(row["detail"] or state == "ok", f"{state} says nothing: {row}")
        if leaf:
            equal(row["chain_sha256"][:1], [leaf.sha256], "the leaf")
        return row


def signed(directory, name, issuer, extensions, key=("ec", "ec_paramgen_curve:P-256"),
           digest="sha256", subject=None):
    """A certificate with extensions in openssl's notation; issuer None: self-signed."""
    stem = directory / name
    extension_file = directory / f"{name}.ext"
    extension_file.write_text("".join(f"{line}\n" for line in extensions))
    options = ["-newkey", key[0]] + (["-pkeyopt", key[1]] if len(key) > 1 else [])
    run("openssl", "req", "-new", *options, "-nodes", "-keyout", f"{stem}.key", "-out",
        f"{stem}.csr", "-subj", f"/CN={subject or name}")
    by = ["-CA", issuer.chain, "-CAkey", issuer.key, "-CAcreateserial"] if issuer else \
        ["-signkey", f"{stem}.key"]
    run("openssl", "x509", "-req", "-in", f"{stem}.csr", "-out", f"{stem}.pem", "-days", "90",
        f"-{digest}", "-extfile", extension_file, *by)
    return Certificate(f"{stem}.pem", f"{stem}.key")


def root_of(authority):
    return Certificate(authority.certificate, authority.key)


LOOPBACK_SAN = ("subjectAltName = IP:127.0.0.1, DNS:www.demo.test",)
CA = ("basicConstraints = critical, CA:TRUE", "keyUsage = critical, keyCertSign",
      "subjectKeyIdentifier = hash")


def chains(directory):
    """What is wrong with the certificates themselves."""
    site = Site(directory)
    root = root_of(site.authority)
    stranger = root_of(Authority(directory / "stranger", "somebody else's root"))
    middle = signed(directory, "middle", root, CA)
    leaf = signed(directory, "below", middle, LOOPBACK_SAN)
    other = signed(directory, "other", stranger, LOOPBACK_SAN)
    cases = [
        ("ok", site.good, ()),
        ("ok", leaf, ("-cert_chain", middle.chain)),
        ("expired", site.authority.issue(["127.0.0.1"], days=-3, age_days=90), ()),
        ("not_yet_valid", site.authority.issue(["127.0.0.1"], days=90, age_days=-3), ()),
        ("wrong_host", site.authority.issue(["elsewhere.test"]), ()),
        ("wrong_host", signed(directory, "cn", root, ("basicConstraints = CA:FALSE",),
                              subject="127.0.0.1"), ()),
        ("self_signed", signed(directory, "self", None, LOOPBACK_SAN), ()),
        ("untrusted_root", other, ("-cert_chain", stranger.chain)),
        ("incomplete_chain", leaf, ()),
        ("weak_key", signed(directory, "small", root, LOOPBACK_SAN, ("rsa:1024",)), OLD),
        ("weak_signature", signed(directory, "sha1", root, LOOPBACK_SAN, digest="sha1"), OLD),
    ]
    for state, certificate, arguments in cases:
        with s_server(certificate, arguments=arguments) as server:
            status, document = site.scan(f"127.0.0.1:{server.port}")
            row = document["addresses"][0]
            equal((row["state"], row["trusted"], status),
                  (state, state == "ok", 0 if state == "ok" else 1), f"{certificate.chain}: {row}")
            equal(row["chain_sha256"][0], certificate.sha256, "the leaf")
            equal(row["renewal_utc"], certificate.not_after, "the end")


def ocsp_response(directory, authority, certificate, revoked):
    """What the authority's own responder says about a certificate."""
    serial = run("openssl", "x509", "-in", certificate.chain, "-noout", "-serial").split("=")[1]
    index = directory / "ocsp.txt"
    state = "R\t391231235959Z\t250101000000Z" if revoked else "V\t391231235959Z\t"
    index.write_text(f"{state}\t{serial.strip()}\tunknown\t/CN=x\n")
    response = directory / "response.der"
    request = directory / "request.der"
    root = authority.certificate
    run("openssl", "ocsp", "-issuer", root, "-cert", certificate.chain, "-no_nonce", "-reqout",
        request)
    run("openssl", "ocsp", "-index", index, "-CA", root, "-rsigner", root, "-rkey", authority.key,
        "-reqin", request, "-respout", response, "-ndays", "2")
    return response


def stapled(directory):
    """The server itself shows that its certificate is revoked."""
    site = Site(directory)
    for revoked, state in ((True, "revoked"), (False, "ok")):
        response = ocsp_response(directory, site.authority, site.good, revoked)
        for version in ("-tls1_2", "-tls1_3"):
            with s_server(site.good, arguments=("-status_file", response, version)) as server:
                site.expect(state, server.port, leaf=site.good)


def client_certificate(directory):
    """It is demanded, or only asked for; the server's own is read in any case."""
    site = Site(directory)
    for version in ("-tls1_2", "-tls1_3"):
        for demand, state in (("-Verify", "client_certificate_required"), ("-verify", "ok")):
            with s_server(site.good, arguments=(demand, "1", version)) as server:
                row = site.expect(state, server.port, leaf=site.good)
                equal(row["trusted"], True, f"{row}")


class Script(Listener):
    """A server that plays one dialogue: bytes that it says, None where it reads what comes, numbers
    where it waits so many seconds. What it read is in `heard`."""

    def __init__(self, steps, then_silent=False):
        self.steps, self.then_silent, self.heard = steps, then_silent, []
        super().__init__()

    def serve(self, guest):
        for step in self.steps:
            if step is None:
                self.heard.append(guest.recv(65536))
            elif isinstance(step, float):
                time.sleep(step)
            else:
                guest.sendall(step)
        if not self.then_silent:
            guest.shutdown(socket.SHUT_WR)
        while some := guest.recv(65536):
            self.heard.append(some)


def dripping(data):
    """A byte now and then: no single wait is long."""
    return [step for byte in data for step in (bytes([byte]), 0.2)]


def no_tls(directory):
    """What answers is no TLS, or nothing answers."""
    site = Site(directory, timeout_ms=1000)
    cases = [
        ("not_tls", [b"SSH-2.0-OpenSSH_9.2p1\r\n", None], False),
        ("not_tls", [None, b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"], False),
        ("not_tls", [b"220 mail.demo.test ESMTP\r\n"], True),
        ("timeout", [], True),
        ("timeout", [None, *dripping(b"\x16\x03\x03\x40\x00\x02\x00\x30\x00\x03\x03")], True),
        ("tls_error", [None], False),
        ("tls_error", [None, b"\x15\x03\x03\x00\x02\x02\x28"], False),
        ("tls_error", [None, b"\x16\x03\x03\x00\x04\x02\x00\x00\x00"], False),
    ]
    for state, steps, silent in cases:
        with Script(steps, silent) as server:
            row = site.expect(state, server.port)
            equal(row["certificate_found"], False, f"{row}")
            if state == "timeout":
                # The dripping one would go on for ever; a busy machine comes back to it late.
                check(1000 <= row["elapsed_ms"] < 15_000, f"the deadline: {row}")
    site.expect("refused", free_port())
    status, document = site.scan("10.255.255.1")
    equal((status, document["addresses"][0]["state"]), (1, "policy"), f"{document}")
    check("scanner.allow" in document["addresses"][0]["detail"], f"{document}")


LDAP = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01%c\x04\x00\x04\x00"
XMPP = (b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0' "
        b"xmlns:stream='http://etherx.jabber.org/streams'>")
XMPP_OFFER = XMPP + (b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
                     b"</stream:features>")
XMPP_TLS = b"xmlns='urn:ietf:params:xml:ns:xmpp-tls'"
SIEVE = b'"IMPLEMENTATION" "x"\r\n%sOK\r\n'


def mysql(capabilities, packet_behind=b""):
    body = (b"\x0a8.0.1\0" + b"\1\0\0\0" + b"12345678\0" + capabilities + b"\x21\2\0\0\0\x15" +
            bytes(10) + b"123456789012\0")
    return len(body).to_bytes(3, "little") + b"\0" + body + packet_behind


# Protocol; what goes before the answer to STARTTLS; that answer as a refusal, as the go-ahead, as
# nonsense; the dialogue of a server that doesn't offer it.
DIALOGUES = [
    ("smtp", [b"220 a\r\n", None, b"250-a\r\n250 STARTTLS\r\n", None], b"454 4.7.0 no\r\n",
     b"220 go\r\n", b"hello\r\n", [b"220 a\r\n", None, b"250-a\r\n250 SIZE 1\r\n"]),
    ("imap", [b"* OK a\r\n", None, b"* CAPABILITY IMAP4rev1 STARTTLS\r\na OK\r\n", None],
     b"b NO no\r\n", b"b OK go\r\n", b"c OK\r\n",
     [b"* OK a\r\n", None, b"* CAPABILITY IMAP4rev1\r\na OK\r\n"]),
    ("pop3", [b"+OK a\r\n", None, b"+OK\r\nSTLS\r\n.\r\n", None], b"-ERR no\r\n",
     b"+OK go\r\n", b"hello\r\n", [b"+OK a\r\n", None, b"+OK\r\nUIDL\r\n.\r\n"]),
    ("ftp", [b"220 a\r\n", None], b"421 no\r\n", b"234 go\r\n", b"hello\r\n",
     [b"220 a\r\n", None, b"500 what\r\n"]),
    ("ldap", [None], LDAP % 52, LDAP % 0, b"hello", [None, LDAP % 2]),
    ("xmpp-client", [None, XMPP_OFFER, None], b"<failure " + XMPP_TLS + b"/></stream:stream>",
     b"<proceed " + XMPP_TLS + b"/>", b"hello",
     [None, XMPP + b"<stream:features><bind/></stream:features>"]),
    ("xmpp-server", [None, XMPP_OFFER, None], b"<failure " + XMPP_TLS + b"/></stream:stream>",
     b"<proceed " + XMPP_TLS + b"/>", b"hello",
     [None, XMPP + b"<stream:features></stream:features>"]),
    ("postgres", [None], b"EFATAL\0", b"S", b"hello", [None, b"N"]),
    ("sieve", [SIEVE % b'"STARTTLS"\r\n', None], b"NO\r\n", b"OK\r\n", b"hello\r\n",
     [SIEVE % b""]),
    ("nntp", [b"200 a\r\n", None, b"101 list\r\nVERSION 2\r\nSTARTTLS\r\n.\r\n", None],
     b"580 no\r\n", b"382 go\r\n", b"hello\r\n",
     [b"200 a\r\n", None, b"101 list\r\nVERSION 2\r\n.\r\n"]),
]


def dialogues(directory):
    """STARTTLS that is refused, not offered, answered with nonsense, or answered with more than the
    go-ahead: each is said, and none is followed by a ClientHello."""
    site = Site(directory)
    cases = [(protocol, *case) for protocol, before, refusal, go, nonsense, lacking in DIALOGUES
             for case in (("starttls_refused", [*before, refusal]),
                          ("starttls_protocol_error", [*before, nonsense]),
                          ("injection_suspected", [*before, go + b"glued"]),
                          ("starttls_not_offered", lacking))]
    cases += [("mysql", "starttls_not_offered", [mysql(b"\xff\xf7")]),
              ("mysql", "injection_suspected", [mysql(b"\xff\xff", b"glued")]),
              ("mysql", "starttls_refused", [b"\x09\0\0\0\xff\x10\x04denied"]),
              ("mysql", "starttls_protocol_error", [b"HTTP/1.1 400 Bad Request\r\n\r\n"]),
              ("imap", "starttls_refused", [b"* PREAUTH in already\r\n"]),
              ("smtp", "starttls_refused", [b"554 go away\r\n"])]
    for protocol, state, steps in cases:
        with Script(steps) as server:
            site.expect(state, server.port, "--starttls", protocol)
            heard = b"".join(server.heard)
            check(b"\x16\x03" not in heard, f"{protocol}, {state}: a ClientHello: {heard!r}")


def odd_servers(directory):
    """Old, oversized or on strange curves, but their certificate can be read."""
    site = Site(directory)
    root = root_of(site.authority)
    names = ", ".join(f"DNS:host{n}.with.a.rather.long.name.demo.test" for n in range(6000))
    huge = signed(directory, "huge", root, (f"subjectAltName = IP:127.0.0.1, {names}",))
    with s_server(huge) as server:
        site.expect("ok", server.port, leaf=huge)
    rsa = site.authority.issue(["127.0.0.1"], rsa=True)
    group = directory / "dh.pem"
    group.write_text(run("openssl", "dhparam", "-dsaparam", "1024"))
    small = ("-cipher", "DHE:@SECLEVEL=0", "-dhparam", group, "-tls1_2")
    with s_server(rsa, arguments=small) as server:
        row = site.expect("ok", server.port, leaf=rsa)
        check(row["cipher"].startswith("DHE-RSA"), f"{row}")
    for version, arguments in (("TLSv1", "-tls1"), ("TLSv1.1", "-tls1_1")):
        with s_server(rsa, arguments=(arguments, *OLD)) as server:
            row = site.expect("ok", server.port, leaf=rsa)
            equal(row["protocol"], version, f"{row}")
    with s_server(rsa, arguments=("-cipher", "AES128-SHA:@SECLEVEL=0", "-tls1_2")) as server:
        equal(site.expect("ok", server.port, leaf=rsa)["group"], "", "no key exchange group")
    for curve, state in (("secp256k1", "bad_certificate"), ("prime192v1", "weak_key")):
        leaf = signed(directory, curve, root, LOOPBACK_SAN, ("ec", f"ec_paramgen_curve:{curve}"))
        with s_server(leaf, arguments=OLD) as server:
            site.expect(state, server.port, leaf=leaf)


def expiration(line, name, more=""):
    reply = line.request(f"command expiration domain {name} apikey {KEY}{more}")
    equal(reply.code, 200, f"expiration of {name}: {reply}")
    return reply.pairs


def intermediate_seen_before(directory):
    """A chain that is incomplete is completed from what another server sent, and said to be
    incomplete all the same; also after a restart."""
    site = Site(directory)
    middle = signed(directory, "middle", root_of(site.authority), CA)
    leaf = signed(directory, "below", middle, LOOPBACK_SAN)
    details = []
    with s_server(leaf) as bare, s_server(leaf, arguments=("-cert_chain", middle.chain)) as whole:
        for ports in ((bare.port, whole.port), (bare.port,)):
            with Daemon(directory, site.toml + "[limits]\nscan_interval_s = 0\n") as daemon, \
                    daemon.line() as line:
                for port, problem in zip(ports, ("incomplete_chain", "none")):
                    name = f"127.0.0.1:{port}"
                    *_, reply = line.requests(
                        f"command add domain {name} apikey {KEY}",
                        f"command scan domain {name} apikey {KEY}",
                        f"command expiration domain {name} apikey {KEY} wait 30")
                    equal(reply.pairs["problem"], problem, f"{reply}")
                    equal(reply.pairs["renewal_utc"], str(leaf.not_after), f"{reply}")
                    details.append(reply.text)
    check("seen elsewhere" not in details[0] and "seen elsewhere" in details[2], f"{details}")


main(chains, stapled, client_certificate, no_tls, dialogues, odd_servers, intermediate_seen_before)
