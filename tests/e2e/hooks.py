#!/usr/bin/env python3
"""The hooks with real ACME clients: each gets certificates from pebble, nginx serves them, and the
daemon scans them. The test reads the client's output. If the server was reloaded, it must say that
the new certificate is served; if not, that the old one is.

Debian has no package of acme.sh: set ACME_SH to the script, or acme.sh is left out
(tests/hooks/clients.bats calls its hooks as acme.sh does).
"""

import contextlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import time
import urllib.request

sys.dont_write_bytecode = True
from harness import (PATIENCE, ROOT, Authority, Certificate, Daemon, Server, check, equal,
                     free_port, loopback_config, main, need_root, run, s_server, wait_for)
from real_servers import dnsmasq, nginx
from told import Clock, Receiver, webhook

HOOKS = ROOT / "hooks"
EMAIL = "hooks@example.org"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class Pebble(Server):
    """An ACME authority that takes every challenge for met."""

    def __init__(self, directory):
        directory.mkdir()
        self.web = Authority(directory / "web", "pebble's own root")
        certificate = self.web.issue(["127.0.0.1", "localhost"])
        port, self.management = free_port(), free_port()
        config = directory / "pebble.json"
        config.write_text(json.dumps({"pebble": {
            "listenAddress": f"127.0.0.1:{port}",
            "managementListenAddress": f"127.0.0.1:{self.management}",
            "certificate": str(certificate.chain), "privateKey": str(certificate.key),
            "httpPort": free_port(), "tlsPort": free_port(), "ocspResponderURL": ""}}))
        super().__init__(["pebble", "-config", config], port, env={
            **os.environ, "PEBBLE_VA_ALWAYS_VALID": "1", "PEBBLE_VA_NOSLEEP": "1",
            "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"})
        self.url = f"https://127.0.0.1:{port}/dir"
        self.certificate = directory / "issued_by.pem"  # as an Authority has it
        trusting = ssl.create_default_context(cafile=self.web.certificate)
        with urllib.request.urlopen(f"https://127.0.0.1:{self.management}/roots/0",
                                    timeout=PATIENCE, context=trusting) as reply:
            self.certificate.write_bytes(reply.read())


class Site:
    """Names on loopback, a daemon that looks at them, and what a client needs to know of them."""

    def __init__(self, directory, names, addresses=("127.0.0.1",)):
        self.directory, self.names, self.addresses = directory, names, addresses
        self.clock = Clock(directory)
        self.port = free_port()
        self.open = contextlib.ExitStack()

    def __enter__(self):
        enter = self.open.enter_context
        try:
            self.pebble = enter(Pebble(self.directory / "pebble"))
            resolver = enter(dnsmasq([(n, a) for n in self.names for a in self.addresses]))
            self.receiver = enter(Receiver())
            more = (f'resolvers = ["127.0.0.1:{resolver.port}"]\n[limits]\nscan_interval_s = 0\n'
                    f"[notify]\ngather_s = 0\n{webhook('ops', self.receiver.url)}")
            self.daemon = enter(Daemon(self.directory, loopback_config(self.pebble, more),
                                       env=self.clock.environment))
        except BaseException:
            self.open.close()
            raise
        return self

    def __exit__(self, *details):
        return self.open.__exit__(*details)

    def serve(self, certificate, addresses):
        """nginx with that certificate until the end."""
        home = self.directory / f"nginx{addresses[0]}"
        home.mkdir()
        return self.open.enter_context(nginx(home, certificate, addresses, self.port))

    @property
    def environment(self):
        return {"PATH": PATH, "CERTLINE_CONF": "/nonexistent",
                "CERTLINE_PORT": str(self.daemon.port), "CERTLINE_PORTS": str(self.port),
                "CERTLINE_STATE": str(self.directory / "state"), "CERTLINE_WAIT": "8",
                "CERTLINE_TIMEOUT": "12", "HOME": str(self.directory),
                "LEGO_CA_CERTIFICATES": str(self.pebble.web.certificate)}

    def call(self, *argv, status=0, **environment):
        """A client's run; gives all that it said."""
        done = subprocess.run([str(a) for a in argv], text=True, timeout=120,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, env=self.environment | environment)
        equal(done.returncode, status, f"exit status of {argv[0]}, which said\n{done.stdout}\n")
        return done.stdout

    @property
    def key(self):
        return (self.directory / "state/key").read_text().split()[0]

    def old_certificate_told(self, name, certificate):
        """After the time that servers are given, whoever is told hears that the old one is served,
        and where."""
        self.clock.forward(360)
        name = f"{name}:{self.port}"
        equal(self.daemon.request(f"command scan domain {name} apikey {self.key}").code, 200, name)

        def told():
            """Hosts of one event may come in one message or in several."""
            return [host for m in self.receiver.messages("old_certificate")
                    if m["certificate"]["sha256"] == certificate.sha256
                    for host in m["hosts"] if host["name"] == name]
        host = wait_for(told, f"that the old certificate of {name} is told")[0]
        check("reload" in host["advice"], f"{host}")

    def watched(self):
        reply = self.daemon.request(f"command domains apikey {self.key}")
        return {name.rsplit(":", 1)[0] for name in (reply.data or "").split()}

    def expiration(self, name, more=""):
        reply = self.daemon.request(f"command expiration domain {name}:{self.port} "
                                    f"apikey {self.key}{more}")
        equal(reply.code, 200, f"expiration of {name}: {reply}")
        return reply.pairs


def says(output, *lines):
    for line in lines:
        check(line in output, f"'{line}' isn't in\n{output}")


def reload_script(site, servers, then):
    """What a hook of the operator's does before certline's: while the file `reload` is there."""
    script = site.directory / "reload_and_tell"
    pids = " ".join(str(server.process.pid) for server in servers)
    script.write_text(f"#!/bin/sh\n[ ! -e {site.directory}/reload ] || kill -HUP {pids}\n{then}\n")
    script.chmod(0o755)
    return script


def certbot(directory):
    a, b, addresses = "a.hooks.test", "b.hooks.test", ("127.0.0.2", "127.0.0.3", "127.0.0.4")
    names = [a, f"www.{a}", b]
    with Site(directory, names, addresses) as site:
        config = directory / "letsencrypt"
        hooks = config / "renewal-hooks"
        for kind in ("deploy", "post"):
            (hooks / kind).mkdir(parents=True)
        deploy, post = hooks / "deploy/zz-certline-deploy", hooks / "post/zz-certline-post"
        shutil.copy(HOOKS / "certbot/certline-deploy", deploy)
        (hooks / "keychest_apikey").write_text(EMAIL + "\n")  # certbot 2.1 keeps no address

        def run_certbot(verb, *more, status=0):
            return site.call("certbot", verb, "--config-dir", config, "--work-dir",
                             directory / "work", "--logs-dir", directory / "logs", "--server",
                             site.pebble.url, "-n", *more, status=status,
                             REQUESTS_CA_BUNDLE=str(site.pebble.web.certificate))

        def issue(*names):
            root = directory / f"web.{names[0]}"
            root.mkdir()
            return run_certbot("certonly", "--agree-tos", "-m", EMAIL, "--webroot", "-w", root,
                               "--deploy-hook", deploy, "--key-type", "ecdsa",
                               *(f"-d{name}" for name in names))

        says(issue(a, f"www.{a}"), f"{a}:{site.port}: 0 of 3 addresses serve the new certificate; ")
        issue(b)
        equal(site.watched(), set(names), "what the daemon watches")
        equal(site.daemon.request(f"command user apikey {site.key}").data, EMAIL, "whose names")
        live = config / f"live/{a}"
        served = Certificate(live / "fullchain.pem", live / "privkey.pem")
        reloaded, left = site.serve(served, addresses[:2]), site.serve(served, addresses[2:])
        script = hooks / "deploy/10-reload"
        script.symlink_to(reload_script(site, [reloaded, left], ""))
        (directory / "reload").touch()

        renew = ("renew", "--force-renewal", "--no-random-sleep-on-renew")
        said = run_certbot(*renew, "--cert-name", a)
        says(said, f"{a}:{site.port}: 3 of 3 addresses serve the new certificate",
             f"www.{a}:{site.port}: 3 of 3 addresses serve the new certificate")
        for address in addresses:
            equal(site.expiration(a, f" ip {address}")["certificate_sha256"], served.sha256,
                  f"the leaf at {address}")

        reload_script(site, [reloaded], "")
        said = run_certbot(*renew, "--cert-name", a)
        says(said, f"{a}:{site.port}: 2 of 3 addresses serve the new certificate; 127.0.0.4 still "
                   "the old one (old_certificate_served): reload its server")
        equal(site.expiration(a)["problem"], "old_certificate_served", "what the daemon says")
        site.old_certificate_told(a, served)

        one_of_two_fails(site, directory, hooks, post, run_certbot, renew, (a, b))


def one_of_two_fails(site, directory, hooks, post, run_certbot, renew, names):
    """b's webroot is a file. With the post hook it is that one which tells what is served."""
    a, b = names
    shutil.copy(HOOKS / "certbot/certline-post", post)
    root = directory / f"web.{b}"
    shutil.rmtree(root)
    root.touch()
    said = run_certbot(*renew, status=1)
    says(said, f"{b}:{site.port}: renewal failed; ",
         f"{a}:{site.port}: 2 of 3 addresses serve the new certificate; 127.0.0.4 still the old")
    check(f"{a}:{site.port}: renewal failed" not in said, f"only {b} failed:\n{said}")
    # A post hook alone finds out by itself what was renewed.
    (hooks / "deploy/zz-certline-deploy").unlink()
    root.unlink()
    root.mkdir()
    sha256 = Certificate(directory / f"letsencrypt/live/{b}/cert.pem", "").sha256
    said = run_certbot("renew", "--force-renewal", "--no-random-sleep-on-renew", "--cert-name", b)
    says(said, f"{b}:{site.port}: 0 of 3 addresses serve the new certificate")
    check(sha256 != Certificate(directory / f"letsencrypt/live/{b}/cert.pem", "").sha256,
          "the certificate is new")


def prove(site, name, issue, renew, certificate):
    """First issuance; a renewal with the server reloaded behind it; one without. `issue` and
    `renew` give the client's output; the client calls reload_and_tell."""
    said = issue()
    says(said, f"{name}:{site.port}: 0 of 1 addresses serve the new certificate; 127.0.0.1 "
               "unreachable (refused)")
    check(name in site.watched(), f"{name} is watched: {site.watched()}")
    server = site.serve(certificate, ["127.0.0.1"])
    script = site.directory / "reload_and_tell"
    reload_script(site, [server], script.read_text().splitlines()[-1])
    (site.directory / "reload").touch()
    says(renew(), f"{name}:{site.port}: 1 of 1 addresses serve the new certificate")
    equal(site.expiration(name, " ip 127.0.0.1")["certificate_sha256"], certificate.sha256,
          "the leaf")
    (site.directory / "reload").unlink()
    says(renew(), f"{name}:{site.port}: 0 of 1 addresses serve the new certificate; 127.0.0.1 "
                  "still the old one (old_certificate_served): reload its server")
    equal(site.expiration(name)["problem"], "old_certificate_served", "what the daemon says")


def dehydrated(directory):
    name = "d.hooks.test"
    with Site(directory, [name]) as site:
        script = reload_script(site, [], f'exec {HOOKS}/dehydrated/certline-dehydrated "$@"')
        script.write_text(script.read_text().replace("kill -HUP ", ": "))
        (directory / "domains.txt").write_text(f"{name}\n")
        (directory / "config").write_text(f"""
CA="{site.pebble.url}"
BASEDIR={directory}
WELLKNOWN={directory}/challenges
CURL_OPTS="--cacert {site.pebble.web.certificate}"
CONTACT_EMAIL={EMAIL}
HOOK={script}
""")
        (directory / "challenges").mkdir()
        command = ["dehydrated", "-f", directory / "config"]
        site.call(*command, "--register", "--accept-terms")
        certs = directory / "certs" / name
        prove(site, name, lambda: site.call(*command, "-c"),
              lambda: site.call(*command, "-c", "-x"), Certificate(
                  certs / "fullchain.pem", certs / "privkey.pem"))
        equal(site.daemon.request(f"command user apikey {site.key}").data, EMAIL, "whose names")


def lego(directory):
    name = "l.hooks.test"
    with Site(directory, [name]) as site:
        script = reload_script(site, [], f"exec {HOOKS}/lego/certline-lego")
        command = ["lego", "--server", site.pebble.url, "--accept-tos", "--email", EMAIL,
                   "--domains", name, "--http", "--http.port", f"127.0.0.1:{free_port()}", "--path",
                   directory / "lego"]
        certs = directory / "lego/certificates"
        prove(site, name, lambda: site.call(*command, "run", "--run-hook", script),
              lambda: site.call(*command, "renew", "--days", "9999", "--no-random-sleep",
                                "--renew-hook", script),
              Certificate(certs / f"{name}.crt", certs / f"{name}.key"))
        equal(site.daemon.request(f"command user apikey {site.key}").data, EMAIL, "whose names")


def uacme(directory):
    """uacme trusts what the system trusts: it sees a bundle of the test's own in that place."""
    if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        print("left out: no mounts of one's own here, in which uacme would see the test's roots")
        return
    name = "u.hooks.test"
    with Site(directory, [name]) as site:
        script = reload_script(site, [], "")
        bundle = directory / "bundle.pem"
        shutil.copy(site.pebble.web.certificate, bundle)
        challenge = directory / "challenge"
        challenge.write_text('#!/bin/sh\n[ "$2" = http-01 ]\n')
        challenge.chmod(0o755)
        command = ["unshare", "-m", "sh", "-c",
                   f'mount --bind {bundle} /etc/ssl/certs/ca-certificates.crt; exec "$@"', "sh"]
        options = ["-v", "-c", directory / "uacme", "-a", site.pebble.url]
        site.call(*command, "uacme", *options, "-y", "new", EMAIL)
        # Reloading is up to who calls uacme: here it comes by way of a uacme that does so.
        shim = directory / "bin"
        shim.mkdir()
        (shim / "uacme").write_text(f'#!/bin/sh\n/usr/bin/uacme "$@" && {script}\n')
        (shim / "uacme").chmod(0o755)

        def issue(*more):
            for old in (directory / "uacme" / name).glob("cert-*.pem"):
                old.unlink()  # it is named by the second, which must be another one next time
            return site.call(*command, HOOKS / "uacme/certline-uacme", *options, *more, "-h",
                             challenge, "issue", name, PATH=f"{shim}:{PATH}")
        certs = directory / "uacme"
        prove(site, name, issue, lambda: issue("-f"),
              Certificate(certs / name / "cert.pem", certs / "private" / name / "key.pem"))


def acme_sh(directory):
    program = os.environ.get("ACME_SH") or shutil.which("acme.sh")
    if not program:
        print("left out: there is no acme.sh here, and ACME_SH names none")
        return
    name = "s.hooks.test"
    with Site(directory, [name]) as site:
        script = reload_script(site, [], f"exec {HOOKS}/certline hook acme.sh")
        command = ["sh", program, "--home", directory / "acme", "--server", site.pebble.url,
                   "--ca-bundle", site.pebble.web.certificate]
        files = directory / "files"
        files.mkdir()
        chain, key = files / "chain.pem", files / "key.pem"

        def issue():
            return site.call(*command, "--issue", "-d", name, "-w", directory, "-m", EMAIL,
                             "--reloadcmd", script, "--fullchain-file", chain, "--key-file", key)
        prove(site, name, issue,
              lambda: site.call(*command, "--renew", "--force", "-d", name),
              Certificate(chain, key))
        equal(site.daemon.request(f"command user apikey {site.key}").data, EMAIL, "whose names")


def tls(directory):
    """The daemon's own TLS port: trusted with its root, else the names wait."""
    authority = Authority(directory / "ca")
    own = authority.issue(["127.0.0.1"])
    with s_server(own) as server, Daemon(directory, loopback_config(
            authority, f'[tls]\ncertificate = "{own.chain}"\nkey = "{own.key}"\n')) as daemon:
        environment = {"PATH": PATH, "CERTLINE_PORT": str(daemon.port_of("line-tls")),
                       "CERTLINE_STATE": str(directory / "state"), "CERTLINE_TLS": "1",
                       "CERTLINE_CONF": "/nonexistent"}
        name = f"127.0.0.1:{server.port}"
        done = subprocess.run([HOOKS / "certline", "check", name], env=environment, text=True,
                              capture_output=True, timeout=60)
        check(done.returncode == 3 and "the certificate of 127.0.0.1 isn't trusted" in done.stdout,
              f"without its root: {done}")
        environment["CERTLINE_CA"] = str(authority.certificate)
        for shell in ("bash", "dash", "ksh93"):
            says(run(shell, HOOKS / "certline", "check", name, env=environment),
                 f"CERTLINE OK - {name}: ", "days left, problem none, 1 addresses | days_left=")


def ten_starts_s():
    started = time.monotonic()
    run("sh", "-c", "for _ in 1 2 3 4 5 6 7 8 9 10; do openssl version; done")
    return time.monotonic() - started


def speed(directory):
    """The best of some runs: 150 ms for one name, a second for a hundred, nobody waiting for what
    is served. Where ten starts of a program take more than a tenth of a second, as they do on a
    busy machine, so much more."""
    authority = Authority(directory / "ca")
    with Daemon(directory, loopback_config(authority)) as daemon:
        for count, seconds in ((1, 0.15), (100, 1.0)):
            certificate = authority.issue([f"n{i}.hooks.test" for i in range(count)])
            lineage = directory / f"lineage{count}"
            lineage.mkdir()
            shutil.copy(certificate.chain, lineage / "cert.pem")
            environment = {"PATH": PATH, "CERTLINE_PORT": str(daemon.port), "CERTLINE_WAIT": "0",
                           "CERTLINE_STATE": str(directory / "state"),
                           "CERTLINE_CONF": "/nonexistent", "RENEWED_LINEAGE": str(lineage)}
            rounds = []
            while len(rounds) < 20 and (not rounds or rounds[-1][0] > rounds[-1][1]):
                started = time.monotonic()
                equal(run(HOOKS / "certline", env=environment), "", "what the hook says")
                took = time.monotonic() - started
                rounds.append((took, seconds * max(1, ten_starts_s() / 0.1)))
            took, most = rounds[-1]
            print(f"{count} names: {took * 1000:.0f} ms after {len(rounds)} runs")
            check(took <= most, f"{count} names took, of at most, by round: {rounds}")
            # The first of the hundred is the one that was there before.
            equal(daemon.request("command status").pairs["names"], str(count), "names")


need_root()  # uacme's view of the system's roots
main(certbot, dehydrated, lego, uacme, acme_sh, tls, speed)
