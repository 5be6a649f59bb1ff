#!/usr/bin/env python3
"""badssl's chains, every one served by nginx under its host's name and scanned by the daemon: each
gives the state that its name says. The daemon lives three days after the chains were made, because
the expired one lasted for a day.
"""

import os
import re
import sys

sys.dont_write_bytecode = True
from harness import (ROOT, Certificate, Daemon, Server, check, equal, free_port, main, run,
                     wait_for)
from real_servers import dnsmasq

ARCHIVE = ROOT.parent / "shared/corpora/badssl-chains.tar.xz"
KEY = "0123456789abcdef"
DOMAIN = "badssl.test"

# Chain; host below the domain; the problem that they promise.
HOSTS = [
    ("wildcard-expired", "expired", "expired"),
    ("wildcard-self-signed", "self-signed", "self_signed"),
    ("wildcard-untrusted-root", "untrusted-root", "untrusted_root"),
    ("wildcard-incomplete-chain", "incomplete-chain", "incomplete_chain"),
    ("wildcard-rsa512", "rsa512", "weak_key"),
    ("wildcard-rsa1024", "rsa1024", "weak_key"),
    ("wildcard-rsa2048", "rsa2048", "none"),
    ("wildcard-rsa2048", "wrong.host", "wrong_host"),
    ("wildcard-rsa2048", "client", "none"),  # nginx asks, but shakes hands without one
    ("wildcard-rsa3072", "rsa3072", "none"),
    ("wildcard-rsa4096", "rsa4096", "none"),
    ("wildcard-rsa8192", "rsa8192", "none"),
    ("wildcard-ecc256", "ecc256", "none"),
    ("wildcard-ecc384", "ecc384", "none"),
    ("wildcard-md5", "md5", "weak_signature"),
    ("wildcard-sha1-2016", "sha1-2016", "weak_signature"),
    ("wildcard-sha1-2017", "sha1-2017", "weak_signature"),
    ("wildcard-sha1-intermediate", "sha1-intermediate", "weak_signature"),
    ("wildcard-sha384", "sha384", "none"),
    ("wildcard-sha512", "sha512", "none"),
    ("subdomain-1000-sans", "1000-sans", "none"),
    ("subdomain-10000-sans", "10000-sans", "none"),
    ("subdomain-no-san", "no-san", "wrong_host"),
    ("subdomain-no-subject", "no-subject", "none"),
    ("subdomain-no-common-name", "no-common-name", "none"),
    ("subdomain-xn--n1aae7f7o", "xn--n1aae7f7o", "none"),
    ("subdomain-extended-validation", "extended-validation", "none"),
    ("subdomain-captive-portal", "login.captive-portal", "none"),
    # An intermediate comes first: it is taken for the leaf, as browsers do.
    ("subdomain-reversed-chain", "reversed-chain", "wrong_host"),
    # One certificate by an issuer that the server doesn't send: nothing tells a hostile root from
    # an intermediate that was left out.
    ("subdomain-superfish", "superfish", "incomplete_chain"),
    ("subdomain-edellroot", "edellroot", "incomplete_chain"),
    ("subdomain-dsdtestprovider", "dsdtestprovider", "incomplete_chain"),
    ("subdomain-mitm-software", "mitm-software", "incomplete_chain"),
    ("subdomain-preact-cli", "preact-cli", "incomplete_chain"),
    ("subdomain-webpack-dev-server", "webpack-dev-server", "incomplete_chain"),
    ("fallback", "something", "incomplete_chain"),
    # Roots of client certificates, served as if they were a server's.
    ("client-ca-root", "client-ca-root", "self_signed"),
    ("client-ca-untrusted-root", "client-ca-untrusted-root", "self_signed"),
    # Told apart only by what is known elsewhere: interception lists, CT logs, revocation.
    ("subdomain-revoked", "revoked", "none"),
    ("subdomain-known-interception", "known-interception", "none"),
    ("subdomain-blocked-interception", "blocked-interception", "none"),
    ("subdomain-no-sct", "no-sct", "none"),
    ("subdomain-invalid-expected-sct", "invalid-expected-sct", "none"),
    ("subdomain-preloaded-expect-ct", "subdomain-preloaded-expect-ct", "none"),
]

NGINX = """
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
  access_log off;
  server_names_hash_bucket_size 128;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_ciphers ALL:@SECLEVEL=0;
{servers}
}}
"""

NGINX_SERVER = """  server {{
    listen 127.0.0.1:{port} ssl;
    server_name {host};
    ssl_certificate {chain};
    ssl_certificate_key {key};
    {more}
    return 204;
  }}"""

# Certificates that Debian's default refuses to load.
OPENSSL = """openssl_conf = openssl
[openssl]
ssl_conf = ssl
[ssl]
system_default = weak
[weak]
CipherString = ALL:@SECLEVEL=0
MinProtocol = TLSv1
"""


def public_key(*command):
    return run("openssl", *command)


def certificates(corpus):
    """Every chain with the key that goes with its first certificate."""
    keys = {public_key("pkey", "-in", key, "-pubout"): key for key in (corpus / "key").iterdir()}
    found = {}
    for chain in sorted((corpus / "chain").glob("*.pem")):
        key = keys.get(public_key("x509", "-in", chain, "-noout", "-pubkey"))
        check(key, f"{chain.name}: no key goes with it")
        found[chain.stem] = Certificate(chain, key)
    return found


def serve(directory, corpus, chains):
    port = free_port()
    ask = f"ssl_verify_client on; ssl_client_certificate {corpus}/crt/client-ca-root.crt;"
    servers = [NGINX_SERVER.format(port=port, host=f"{host}.{DOMAIN}", chain=chains[chain].chain,
                                   key=chains[chain].key,
                                   more=ask if host == "client" else "")
               for chain, host, _ in HOSTS]
    config = directory / "nginx.conf"
    config.write_text(NGINX.format(directory=directory, servers="\n".join(servers)))
    openssl = directory / "openssl.cnf"
    openssl.write_text(OPENSSL)
    return Server(["nginx", "-p", directory, "-c", config, "-e", "stderr"], port,
                  env=dict(os.environ, OPENSSL_CONF=str(openssl)))


def three_days_after(certificate):
    """An environment whose clock shows that time."""
    text = run("openssl", "x509", "-in", certificate, "-noout", "-startdate", "-dateopt",
               "iso_8601")
    start = re.search(r"=(\S+) (\S+)Z", text)
    when = run("date", "-u", "-d", f"{start[1]} {start[2]} UTC 3 days", "+@%Y-%m-%d %H:%M:%S")
    library = run("sh", "-c", "ls /usr/lib/*/faketime/libfaketimeMT.so.1").strip()
    sanitizer = run("sh", "-c", 'ldd "$1" | sed -n "s/.*=> \\(.*libasan[^ ]*\\) .*/\\1/p"', "sh",
                    os.environ.get("CERTLINED", "/bin/true")).strip()
    return dict(os.environ, LD_PRELOAD=f"{sanitizer} {library}".strip(), FAKETIME=when.strip(),
                FAKETIME_DONT_FAKE_MONOTONIC="1", TZ="UTC")


def every_chain(directory):
    if not ARCHIVE.exists():
        print(f"skipped: {ARCHIVE.name} is not there")
        return
    corpus = directory / "corpus"
    corpus.mkdir()
    run("tar", "-xJf", ARCHIVE, "-C", corpus)
    chains = certificates(corpus)
    equal({chain for chain, _, _ in HOSTS} ^ set(chains), set(), "chains without a host")
    root = corpus / "crt/ca-root.crt"
    wrong = []
    with dnsmasq(below=[(DOMAIN, "127.0.0.1")]) as resolver, \
            serve(directory, corpus, chains) as server, \
            Daemon(directory, f"""
[scanner]
allow = ["127.0.0.0/8"]
special_names = true
trust_file = "{root}"
resolvers = ["127.0.0.1:{resolver.port}"]
""", env=three_days_after(root)) as daemon, daemon.line() as line:
        for chain, host, state in HOSTS:
            name = f"{host}.{DOMAIN}:{server.port}"
            equal(line.request(f"command add domain {name} apikey {KEY}").code, 200, name)
        for chain, host, state in HOSTS:
            question = f"command expiration domain {host}.{DOMAIN}:{server.port} apikey {KEY}"
            wait_for(lambda: line.request(question).pairs["problem"] != "pending", host)
            one = line.request(question + " ip 127.0.0.1")
            got = (one.pairs.get("problem"), one.pairs.get("certificate_sha256"))
            if got != (state, chains[chain].sha256):
                wrong.append(f"{chain} as {host}: {one}")
    check(not wrong, "\n".join(wrong))
    states = {state for _, _, state in HOSTS}
    print(f"badssl: {len(chains)} of {len(chains)} chains served under {len(HOSTS)} hosts, "
          f"{len(states)} states; none left out")


main(every_chain)
